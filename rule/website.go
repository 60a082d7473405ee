package rule

import (
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a website configuration.
var (
	ErrWebsiteNotFound  = awserr.New("NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration")
	ErrWebsiteSuffix    = awserr.ErrInvalidArgument.Text("The IndexDocument Suffix is not well formed")
	ErrWebsiteNoIndex   = awserr.Argument("IndexDocument", "null", "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	ErrWebsiteRedirect  = awserr.Argument("RedirectAllRequestsTo", "not null", "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
	ErrWebsiteErrorKey  = awserr.ErrInvalidArgument.Text("The ErrorDocument Key is not well formed")
	ErrWebsiteProtocol  = awserr.ErrInvalidRequest.Text("Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")
	ErrWebsiteReplace   = awserr.ErrInvalidRequest.Text("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	ErrWebsiteCondition = awserr.ErrInvalidRequest.Text("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
)

const routingRulesMax = 50

func checkWebsite(_ *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.WebsiteConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.RoutingRules != nil && len(doc.RoutingRules) == 0 {
		return nil, malformed("empty RoutingRules")
	}
	if r := doc.RedirectAllRequestsTo; r != nil {
		if doc.IndexDocument != nil || doc.ErrorDocument != nil || doc.RoutingRules != nil {
			return nil, ErrWebsiteRedirect
		}
		if r.HostName == "" {
			return nil, malformed("redirect without host")
		}
		if !websiteProtocol(r.Protocol) {
			return nil, ErrWebsiteProtocol
		}
		return encode(&doc)
	}
	if doc.IndexDocument == nil {
		return nil, ErrWebsiteNoIndex
	}
	if s := doc.IndexDocument.Suffix; s == "" || strings.Contains(s, "/") {
		return nil, ErrWebsiteSuffix.With("ArgumentName", "IndexDocument").With("ArgumentValue", s)
	}
	if doc.ErrorDocument != nil && doc.ErrorDocument.Key == "" {
		return nil, ErrWebsiteErrorKey.With("ArgumentName", "ErrorDocument").With("ArgumentValue", "")
	}
	if len(doc.RoutingRules) > routingRulesMax {
		return nil, invalid("%d routing rules provided, the number of routing rules in a website configuration is limited to %d.", len(doc.RoutingRules), routingRulesMax)
	}
	for i := range doc.RoutingRules {
		if err := checkRoutingRule(&doc.RoutingRules[i]); err != nil {
			return nil, err
		}
	}
	return encode(&doc)
}

func websiteProtocol(p *string) bool { return p == nil || *p == "http" || *p == "https" }

func checkRoutingRule(r *s3shapes.RoutingRule) error {
	to := &r.Redirect
	if !websiteProtocol(to.Protocol) {
		return ErrWebsiteProtocol
	}
	if to.ReplaceKeyPrefixWith != nil && to.ReplaceKeyWith != nil {
		return ErrWebsiteReplace
	}
	if *to == (s3shapes.Redirect{}) {
		return malformed("empty Redirect")
	}
	if c := to.HttpRedirectCode; c != nil {
		if n, err := strconv.Atoi(*c); err != nil || n <= 300 || n > 399 {
			return invalid("The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX except 300.", *c)
		}
	}
	if r.Condition == nil {
		return nil
	}
	if r.Condition.HttpErrorCodeReturnedEquals == nil && r.Condition.KeyPrefixEquals == nil {
		return ErrWebsiteCondition
	}
	if c := r.Condition.HttpErrorCodeReturnedEquals; c != nil {
		if n, err := strconv.Atoi(*c); err != nil || n < 400 || n > 599 {
			return invalid("The provided HTTP error code (%s) is not valid. Valid codes are 4XX or 5XX.", *c)
		}
	}
	return nil
}
