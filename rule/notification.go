package rule

import (
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a notification configuration.
var (
	ErrNotificationARN     = awserr.ErrInvalidArgument.Text("The ARN could not be parsed")
	ErrNotificationRegion  = awserr.ErrInvalidArgument.Text("The notification destination service region is not valid for the bucket location constraint")
	ErrNotificationFIFO    = awserr.ErrInvalidArgument.Text("FIFO queues and topics are not supported as notification destinations")
	ErrNotificationEvent   = awserr.ErrInvalidArgument.Text("A specified event is not supported for notifications.")
	ErrNotificationFilter  = awserr.ErrInvalidArgument.Text("filter rule name must be either prefix or suffix")
	ErrNotificationPrefix  = awserr.ErrInvalidArgument.Text("Cannot specify more than one prefix rule in a filter.")
	ErrNotificationSuffix  = awserr.ErrInvalidArgument.Text("Cannot specify more than one suffix rule in a filter.")
	ErrNotificationValue   = awserr.ErrInvalidArgument.Text("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
	ErrNotificationIDTwice = awserr.ErrInvalidArgument.Text("Same ID used for multiple configurations. IDs must be unique")
	ErrNotificationOverlap = awserr.ErrInvalidArgument.Text("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
)

// events are the event types that a configuration can name; a name that ends
// in * stands for those that begin like it.
var events = []string{
	"s3:ReducedRedundancyLostObject",
	"s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
	"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
	"s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete",
	"s3:Replication:*", "s3:Replication:OperationFailedReplication", "s3:Replication:OperationNotTracked",
	"s3:Replication:OperationMissedThreshold", "s3:Replication:OperationReplicatedAfterThreshold",
	"s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectAcl:Put",
	"s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
	"s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete",
	"s3:ObjectAnnotation:*", "s3:ObjectAnnotation:Put", "s3:ObjectAnnotation:Delete",
	"s3:ObjectRetention:Put",
}

// notification is a configuration of any of the three kinds.
type notification struct {
	kind, service string // element that holds the ARN; the service it must be of
	arn           string
	events        []string
	id            **string
	filter        *s3shapes.NotificationConfigurationFilter

	prefix, suffix string
}

func checkNotification(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.NotificationConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	var all []*notification
	for i := range doc.TopicConfigurations {
		c := &doc.TopicConfigurations[i]
		all = append(all, &notification{kind: "Topic", service: "sns", arn: c.TopicArn, events: c.Events, id: &c.Id, filter: c.Filter})
	}
	for i := range doc.QueueConfigurations {
		c := &doc.QueueConfigurations[i]
		all = append(all, &notification{kind: "Queue", service: "sqs", arn: c.QueueArn, events: c.Events, id: &c.Id, filter: c.Filter})
	}
	for i := range doc.LambdaFunctionConfigurations {
		c := &doc.LambdaFunctionConfigurations[i]
		all = append(all, &notification{kind: "CloudFunction", service: "lambda", arn: c.LambdaFunctionArn, events: c.Events, id: &c.Id, filter: c.Filter})
	}
	ids := map[string]bool{}
	for _, n := range all {
		if err := n.check(ctx); err != nil {
			return nil, err
		}
		id := value(*n.id)
		if id != "" && ids[id] {
			return nil, ErrNotificationIDTwice
		}
		ids[id] = true
	}
	for i, n := range all {
		for _, o := range all[:i] {
			if n.overlaps(o) {
				return nil, ErrNotificationOverlap
			}
		}
		for k := i; value(*n.id) == ""; k += len(all) {
			if id := generatedID(raw, k); !ids[id] {
				ids[id] = true
				*n.id = &id
			}
		}
	}
	return encode(&doc)
}

func (n *notification) check(ctx *Context) error {
	at := func(e *awserr.Error) error { return e.With("ArgumentName", n.kind).With("ArgumentValue", n.arn) }
	a, err := arn.Parse(n.arn)
	if err != nil || a.Service != n.service || !arn.ValidAccount(a.Account) {
		return at(ErrNotificationARN)
	}
	if a.Region != ctx.Region {
		return at(ErrNotificationRegion)
	}
	if n.service != "lambda" && strings.HasSuffix(a.Resource, ".fifo") {
		return at(ErrNotificationFIFO)
	}
	for _, e := range n.events {
		if !slices.Contains(events, e) {
			return ErrNotificationEvent.With("ArgumentName", "Event").With("ArgumentValue", e)
		}
	}
	if n.filter == nil || n.filter.Key == nil {
		return nil
	}
	rules := n.filter.Key.FilterRules
	met := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		name := strings.ToLower(value(r.Name))
		if name != "prefix" && name != "suffix" {
			return ErrNotificationFilter.With("ArgumentName", "FilterRule.Name").With("ArgumentValue", value(r.Name))
		}
		text := value(r.Value)
		if len(text) > prefixMax {
			return ErrNotificationValue.With("ArgumentName", "FilterRule.Value").With("ArgumentValue", text)
		}
		switch {
		case met[name] && name == "prefix":
			return ErrNotificationPrefix.With("ArgumentName", "FilterRule.Name").With("ArgumentValue", "prefix")
		case met[name]:
			return ErrNotificationSuffix.With("ArgumentName", "FilterRule.Name").With("ArgumentValue", "suffix")
		case name == "prefix":
			n.prefix, r.Name = text, pointer("Prefix")
		default:
			n.suffix, r.Name = text, pointer("Suffix")
		}
		met[name] = true
	}
	return nil
}

// overlaps tells whether some event of some key would go by both.
func (n *notification) overlaps(o *notification) bool {
	if !strings.HasPrefix(n.prefix, o.prefix) && !strings.HasPrefix(o.prefix, n.prefix) {
		return false
	}
	if !strings.HasSuffix(n.suffix, o.suffix) && !strings.HasSuffix(o.suffix, n.suffix) {
		return false
	}
	for _, a := range n.events {
		for _, b := range o.events {
			if a == b || covers(a, b) || covers(b, a) {
				return true
			}
		}
	}
	return false
}

// covers tells whether an event type with * stands for another.
func covers(pattern, event string) bool {
	head, ok := strings.CutSuffix(pattern, "*")
	return ok && strings.HasPrefix(event, head)
}

func defaultNotification(*Context) ([]byte, error) {
	return encode(&s3shapes.NotificationConfiguration{})
}
