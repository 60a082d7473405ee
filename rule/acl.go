package rule

import (
	"regexp"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with an ACL.
var (
	ErrACLMalformed    = awserr.New("MalformedACLError", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	ErrACLNotSupported = awserr.New("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
	ErrACLPublic       = awserr.ErrAccessDenied
	ErrACLBoth         = awserr.ErrInvalidRequest.Text("Specifying both Canned ACLs and Header Grants is not allowed")
	ErrACLContent      = awserr.New("UnexpectedContent", 400, "This request does not support content")
	ErrACLNothing      = awserr.New("MissingSecurityHeader", 400, "Your request was missing a required header").With("MissingHeaderName", "x-amz-acl")
	ErrACLFormat       = awserr.ErrInvalidArgument.Text("Argument format not recognized")
	ErrACLID           = awserr.ErrInvalidArgument.Text("Invalid id")
	ErrACLGroup        = awserr.ErrInvalidArgument.Text("Invalid group uri")
	ErrACLEmail        = awserr.New("UnresolvableGrantByEmailAddress", 400, "The e-mail address you provided does not match any account on record.")
	ErrACLCanned       = awserr.ErrInvalidArgument.Text("")
)

// Groups that a grant can name.
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	LogDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// grantsMax is AWS's limit of grants in an ACL.
const grantsMax = 100

// Grant gives a permission to a user or to a group.
type Grant struct {
	ID         string // canonical user ID, or ""
	Group      string // URI, or ""
	Permission string // FULL_CONTROL, READ, WRITE, READ_ACP or WRITE_ACP
}

// ACL is an access control list.
type ACL struct {
	Owner  string // canonical user ID
	Grants []Grant
}

// Principals says who is meant by the words of an ACL: canonical user IDs.
type Principals struct {
	Owner       string // owner of the bucket or object that the ACL is for
	BucketOwner string // owner of the bucket
	// Known tells whether an ID is a user's. Nil takes anything of the right form.
	Known func(id string) bool
}

var canonicalID = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (p *Principals) known(id string) bool {
	if id == p.Owner || id == p.BucketOwner {
		return true
	}
	return canonicalID.MatchString(id) && (p.Known == nil || p.Known(id))
}

// CannedACL gives the list that a canned ACL stands for, or InvalidArgument.
// The empty name is private. Of bucket-owner-read and
// bucket-owner-full-control, buckets take only the owner's part.
func CannedACL(name string, p Principals) (ACL, error) {
	a := ACL{Owner: p.Owner, Grants: []Grant{{ID: p.Owner, Permission: "FULL_CONTROL"}}}
	add := func(g Grant) { a.Grants = append(a.Grants, g) }
	switch name {
	case "", "private", "aws-exec-read":
	case "public-read":
		add(Grant{Group: AllUsers, Permission: "READ"})
	case "public-read-write":
		add(Grant{Group: AllUsers, Permission: "READ"})
		add(Grant{Group: AllUsers, Permission: "WRITE"})
	case "authenticated-read":
		add(Grant{Group: AuthenticatedUsers, Permission: "READ"})
	case "bucket-owner-read":
		if p.BucketOwner != p.Owner {
			add(Grant{ID: p.BucketOwner, Permission: "READ"})
		}
	case "bucket-owner-full-control":
		if p.BucketOwner != p.Owner {
			add(Grant{ID: p.BucketOwner, Permission: "FULL_CONTROL"})
		}
	case "log-delivery-write":
		add(Grant{Group: LogDelivery, Permission: "WRITE"})
		add(Grant{Group: LogDelivery, Permission: "READ_ACP"})
	default:
		return ACL{}, ErrACLCanned.With("ArgumentName", "x-amz-acl").With("ArgumentValue", name)
	}
	return a, nil
}

// ParseACL reads an AccessControlPolicy.
func ParseACL(raw []byte, p Principals) (ACL, error) {
	var doc s3shapes.AccessControlPolicy
	if err := restxml.Decode(raw, &doc); err != nil {
		return ACL{}, ErrACLMalformed.Because(err)
	}
	if doc.Owner == nil || doc.Owner.ID == nil || doc.Grants == nil || len(doc.Grants) > grantsMax {
		return ACL{}, ErrACLMalformed
	}
	user := func(id string) error {
		if !p.known(id) {
			return ErrACLID.With("ArgumentName", "CanonicalUser/ID").With("ArgumentValue", id)
		}
		return nil
	}
	a := ACL{Owner: *doc.Owner.ID}
	if err := user(a.Owner); err != nil {
		return ACL{}, err
	}
	if a.Owner != p.Owner {
		return ACL{}, awserr.ErrAccessDenied // the owner of what is there can't be changed
	}
	for _, d := range doc.Grants {
		if d.Grantee == nil || d.Permission == nil {
			return ACL{}, ErrACLMalformed
		}
		g := Grant{Permission: *d.Permission}
		switch {
		case d.Grantee.Type == "CanonicalUser" && d.Grantee.ID != nil:
			g.ID = *d.Grantee.ID
			if err := user(g.ID); err != nil {
				return ACL{}, err
			}
		case d.Grantee.Type == "Group" && d.Grantee.URI != nil:
			g.Group = *d.Grantee.URI
			if !knownGroup(g.Group) {
				return ACL{}, ErrACLGroup.With("ArgumentName", "Group/URI").With("ArgumentValue", g.Group)
			}
		case d.Grantee.Type == "AmazonCustomerByEmail" && d.Grantee.EmailAddress != nil:
			return ACL{}, ErrACLEmail
		default:
			return ACL{}, ErrACLMalformed
		}
		a.Grants = append(a.Grants, g)
	}
	return a, nil
}

// StoredACL reads an ACL that was checked before.
func StoredACL(raw []byte) (ACL, error) {
	var doc s3shapes.AccessControlPolicy
	if err := restxml.Decode(raw, &doc); err != nil {
		return ACL{}, err
	}
	a := ACL{}
	if doc.Owner != nil {
		a.Owner = value(doc.Owner.ID)
	}
	for _, d := range doc.Grants {
		if d.Grantee != nil {
			a.Grants = append(a.Grants, Grant{ID: value(d.Grantee.ID), Group: value(d.Grantee.URI), Permission: value(d.Permission)})
		}
	}
	return a, nil
}

func knownGroup(uri string) bool {
	return uri == AllUsers || uri == AuthenticatedUsers || uri == LogDelivery
}

// Render writes the list as GetBucketAcl and GetObjectAcl answer. name gives
// the display name of a canonical user ID; nil leaves names away. With names,
// groups stand first, as they have none: clients of the time when there were
// names order grants by them.
func (a ACL) Render(name func(id string) string) ([]byte, error) {
	display := func(id string) *string {
		if name == nil {
			return nil
		}
		if n := name(id); n != "" {
			return &n
		}
		return nil
	}
	doc := s3shapes.GetBucketAclOutput{Owner: &s3shapes.Owner{ID: &a.Owner, DisplayName: display(a.Owner)}, Grants: make([]s3shapes.Grant, len(a.Grants))}
	if name != nil {
		a.Grants = slices.Clone(a.Grants)
		slices.SortStableFunc(a.Grants, func(x, y Grant) int { return min(len(x.ID), 1) - min(len(y.ID), 1) })
	}
	for i, g := range a.Grants {
		grantee := &s3shapes.Grantee{Type: "CanonicalUser"}
		if g.Group != "" {
			grantee.Type, grantee.URI = "Group", &a.Grants[i].Group
		} else {
			grantee.ID, grantee.DisplayName = &a.Grants[i].ID, display(g.ID)
		}
		doc.Grants[i] = s3shapes.Grant{Grantee: grantee, Permission: &a.Grants[i].Permission}
	}
	return encode(&doc)
}

// Public tells whether the list gives anything to everybody, or to every AWS
// user.
func (a ACL) Public() bool {
	for _, g := range a.Grants {
		if g.Group == AllUsers || g.Group == AuthenticatedUsers {
			return true
		}
	}
	return false
}

// Grantee is whom a grant may reach.
type Grantee struct {
	ID      string // canonical user ID of the account; empty for the anonymous and for services
	Service string // such as logging.s3.amazonaws.com, else empty
}

// Reach says how an ACL gives a permission.
type Reach uint8

// Ways in which an ACL gives.
const (
	Nothing Reach = iota
	ToID          // to the account by its canonical user ID
	ToGroup       // to a group that the grantee is in
)

// Gives tells whether the list gives a permission (READ, WRITE, READ_ACP or
// WRITE_ACP; FULL_CONTROL has them all) to somebody. With ignorePublic, grants
// to everybody and to every AWS user count for nothing.
func (a ACL) Gives(permission string, to Grantee, ignorePublic bool) Reach {
	reach := Nothing
	for i := range a.Grants {
		g := &a.Grants[i]
		if g.Permission != permission && g.Permission != "FULL_CONTROL" {
			continue
		}
		switch {
		case g.ID != "":
			if g.ID == to.ID && reach == Nothing {
				reach = ToID
			}
		case g.Group == LogDelivery:
			if to.Service == "logging.s3.amazonaws.com" {
				reach = ToGroup
			}
		case ignorePublic, to.Service != "":
		case g.Group == AllUsers, g.Group == AuthenticatedUsers && to.ID != "":
			reach = ToGroup
		}
	}
	return reach
}

// ownerOnly tells whether the list gives something to its owner alone.
func (a ACL) ownerOnly() bool {
	for _, g := range a.Grants {
		if g.ID != a.Owner {
			return false
		}
	}
	return true
}

// grantHeaders are the headers that give permissions, in the order of AWS's
// documentation.
var grantHeaders = [...]struct{ name, permission string }{
	{"x-amz-grant-full-control", "FULL_CONTROL"},
	{"x-amz-grant-read", "READ"},
	{"x-amz-grant-read-acp", "READ_ACP"},
	{"x-amz-grant-write", "WRITE"},
	{"x-amz-grant-write-acp", "WRITE_ACP"},
}

// ACLHeaders reads x-amz-acl and the x-amz-grant headers. get gives a header
// by its lower-case name, or "". given tells whether there are any; canned is
// the canned ACL's name where that was given. A list made of grants has what
// they say and nothing for the owner.
func ACLHeaders(get func(name string) string, p Principals) (a ACL, canned string, given bool, err error) {
	canned = get("x-amz-acl")
	var grants []Grant
	for _, h := range grantHeaders {
		v := get(h.name)
		if v == "" {
			continue
		}
		if canned != "" {
			return ACL{}, "", true, ErrACLBoth
		}
		gs, err := parseGrants(h.name, h.permission, v, &p)
		if err != nil {
			return ACL{}, "", true, err
		}
		grants = append(grants, gs...)
	}
	if canned != "" {
		a, err = CannedACL(canned, p)
		return a, canned, true, err
	}
	if len(grants) > grantsMax {
		return ACL{}, "", true, ErrACLMalformed
	}
	return ACL{Owner: p.Owner, Grants: grants}, "", len(grants) > 0, nil
}

// parseGrants reads a grant header: id="…", uri="…", emailAddress="…", with
// commas between, quotes optional.
func parseGrants(header, permission, v string, p *Principals) ([]Grant, error) {
	var grants []Grant
	for item := range strings.SplitSeq(v, ",") {
		kind, name, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok {
			return nil, ErrACLFormat.With("ArgumentName", header).With("ArgumentValue", v)
		}
		name = strings.TrimSpace(name)
		if len(name) >= 2 && name[0] == '"' && name[len(name)-1] == '"' {
			name = name[1 : len(name)-1]
		}
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "id":
			if !p.known(name) {
				return nil, ErrACLID.With("ArgumentName", "id").With("ArgumentValue", name)
			}
			grants = append(grants, Grant{ID: name, Permission: permission})
		case "uri":
			if !knownGroup(name) {
				return nil, ErrACLGroup.With("ArgumentName", "uri").With("ArgumentValue", name)
			}
			grants = append(grants, Grant{Group: name, Permission: permission})
		case "emailaddress":
			return nil, ErrACLEmail
		default:
			return nil, ErrACLFormat.With("ArgumentName", header).With("ArgumentValue", v)
		}
	}
	return grants, nil
}

// CheckACL tells whether a bucket takes an ACL: with BucketOwnerEnforced only
// one that gives the bucket's owner full control, as the canned
// bucket-owner-full-control does, and none that is public while
// BlockPublicAcls is on. canned is the name that was given, if one was; setting
// tells PutBucketAcl and PutObjectAcl from the ACL that comes with a write.
func CheckACL(a ACL, canned string, setting bool, ownership string, block PublicAccessBlock) error {
	if ownership == BucketOwnerEnforced && (setting || canned != "bucket-owner-full-control") {
		return ErrACLNotSupported
	}
	if block.BlockPublicACLs && a.Public() {
		return ErrACLPublic
	}
	return nil
}
