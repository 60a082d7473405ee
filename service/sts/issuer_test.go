package sts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/iam"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/service/sts/session"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	ours   = "123456789012"
	theirs = "210987654321"
)

// world is a directory with users and roles as a test wants them, behind a real
// door.
type world struct {
	t        *testing.T
	now      time.Time
	tokens   *session.Tokens
	issuer   *Issuer
	url      string
	users    map[string]*access.Caller   // by access key; the secret is secretOf
	roles    map[string]*iam.Role        // by ARN
	identity map[string]*policy.Document // by ARN of user or role
	bound    map[string]*access.Policies // by access key, in place of identity
	broken   error
}

func secretOf(key string) string { return "secret of " + key }

func newWorld(t *testing.T) *world {
	keys, err := realm.ParseKeys(realm.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Now(), tokens: session.New(realm.NewBox(keys, session.Purpose)), users: map[string]*access.Caller{}, roles: map[string]*iam.Role{}, identity: map[string]*policy.Document{}}
	decider := &access.Decider{Directory: w}
	w.issuer = NewIssuer(IssuerOptions{Roles: w, Keys: w, Decider: decider, Tokens: w.tokens, Now: func() time.Time { return w.now }})
	_, srv := servicetest.Serve(t, w.issuer.Service(), service.Options{
		Region: "us-east-1", Decider: decider, Now: func() time.Time { return w.now },
		Verifier: &sigv4.Verifier{Credentials: w, Services: []string{"sts"}, Now: func() time.Time { return w.now }},
	})
	w.url = srv.URL
	w.users["AKIAROOT000000000000"] = &access.Caller{Kind: access.Root, Account: ours, ARN: "arn:aws:iam::" + ours + ":root", UserID: ours, AccessKey: "AKIAROOT000000000000"}
	return w
}

func (w *world) doc(text string, k policy.Kind) *policy.Document {
	w.t.Helper()
	d, err := policy.Parse([]byte(text), k)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// user makes a user with an identity policy; its access key is returned.
func (w *world) user(account, name, document string) string {
	key := (strings.ToUpper("AKIA"+name+account) + "0000000000000000")[:20]
	c := &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, UserID: "AIDA" + name, Name: name, AccessKey: key}
	w.users[key] = c
	if document != "" {
		w.identity[c.ARN] = w.doc(document, policy.Identity)
	}
	return key
}

func (w *world) role(account, name, trust string) string {
	r := &iam.Role{ARN: "arn:aws:iam::" + account + ":role/team/" + name, ID: "AROA" + name, Account: account, Name: name, Path: "/team/", MaxSession: 2 * time.Hour, Tags: map[string]string{"Class": "backup"}}
	r.Trust = w.doc(trust, policy.Trust)
	w.roles[r.ARN] = r
	return r.ARN
}

func (w *world) Role(_ context.Context, arn string) (*iam.Role, bool, error) {
	r, ok := w.roles[arn]
	return r, ok, w.broken
}

func (w *world) Secret(_ context.Context, key, token string) (string, any, error) {
	if token != "" {
		return w.tokens.Open(key, token, w.now)
	}
	if c := w.users[key]; c != nil {
		return secretOf(key), c, nil
	}
	return "", nil, sigv4.ErrUnknownKey
}

func (w *world) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	if p := w.bound[c.AccessKey]; p != nil {
		return p, nil
	}
	arn := c.ARN
	if c.Kind == access.Role {
		arn = c.RoleARN
	}
	p := &access.Policies{}
	if d := w.identity[arn]; d != nil {
		p.Identity = []*policy.Document{d}
	}
	return p, w.broken
}

func (w *world) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return nil, nil
}

// client gives a client with long-term credentials.
func (w *world) client(key string) *sts.Client { return w.with(key, secretOf(key), "") }

func (w *world) with(key, secret, token string) *sts.Client {
	return sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: &w.url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token), RetryMaxAttempts: 1,
	})
}

func (w *world) holding(c *types.Credentials) *sts.Client {
	return w.with(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func (w *world) identityOf(c *sts.Client) (string, error) {
	out, err := c.GetCallerIdentity(context.Background(), nil)
	if err != nil {
		return "", err
	}
	return *out.Arn + " " + *out.UserId + " " + *out.Account, nil
}

// wantError checks the code and the text that a client sees.
func wantError(t *testing.T, name string, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("%s: %v; want %s: %s", name, err, code, text)
	}
}

func assume(role string, change ...func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("night")}
	for _, f := range change {
		f(in)
	}
	return in
}

const mayAssume = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`

func trusts(principal string, more ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":["sts:AssumeRole"` + strings.Join(more, "") + `]}]}`
}

func TestAssumeRoleAndUseIt(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	alice := w.user(ours, "alice", mayAssume)
	role := w.role(ours, "Backup", trusts(ours, `,"sts:TagSession","sts:SetSourceIdentity"`))
	w.identity[w.users[alice].ARN] = w.doc(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`, policy.Identity)
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	out, err := w.client(alice).AssumeRole(ctx, assume(role, func(in *sts.AssumeRoleInput) {
		in.Policy, in.DurationSeconds, in.SourceIdentity, in.ExternalId = &text, aws.Int32(900), aws.String("al"), aws.String("x-1")
		in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
		in.Tags = []types.Tag{{Key: aws.String("Team"), Value: aws.String("storage")}, {Key: aws.String("Own"), Value: aws.String("1")}}
		in.TransitiveTagKeys = []string{"team"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	if got := *out.AssumedRoleUser.Arn + " " + *out.AssumedRoleUser.AssumedRoleId; got != "arn:aws:sts::"+ours+":assumed-role/Backup/night AROABackup:night" {
		t.Errorf("assumed %s", got)
	}
	if !c.Expiration.Equal(w.now.UTC().Truncate(time.Second).Add(15*time.Minute)) || out.PackedPolicySize == nil || *out.PackedPolicySize < 1 || *out.SourceIdentity != "al" {
		t.Errorf("answer %+v", out)
	}
	who, err := w.identityOf(w.holding(c))
	if err != nil || who != "arn:aws:sts::"+ours+":assumed-role/Backup/night AROABackup:night "+ours {
		t.Errorf("the session is %q, %v", who, err)
	}
	_, caller, err := w.tokens.Open(*c.AccessKeyId, *c.SessionToken, w.now)
	if err != nil {
		t.Fatal(err)
	}
	s := caller.Session
	if caller.Kind != access.Role || caller.RoleARN != role || s.Name != "night" || s.SourceIdentity != "al" || s.ExternalID != "x-1" || len(s.Policies) != 1 || len(s.PolicyARNs) != 1 ||
		s.Tags["Team"] != "storage" || s.Tags["Own"] != "1" || len(s.Transitive) != 1 || s.Transitive[0] != "Team" || s.Chained {
		t.Errorf("the token holds %+v %+v", caller, s)
	}
	// A chained session inherits what is transitive, and the source identity.
	second := w.role(ours, "Second", trusts(role, `,"sts:TagSession","sts:SetSourceIdentity"`))
	w.identity[role] = w.doc(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`, policy.Identity)
	chained, err := w.holding(c).AssumeRole(ctx, assume(second))
	if err != nil {
		t.Fatal(err)
	}
	_, caller, err = w.tokens.Open(*chained.Credentials.AccessKeyId, *chained.Credentials.SessionToken, w.now)
	if err != nil {
		t.Fatal(err)
	}
	if s := caller.Session; s.Tags["Team"] != "storage" || len(s.Tags) != 1 || len(s.Transitive) != 1 || s.SourceIdentity != "al" || !s.Chained {
		t.Errorf("the chained session holds %+v", s)
	}
	for name, tt := range map[string]struct {
		change func(*sts.AssumeRoleInput)
		code   string
		text   string
	}{
		"longer than an hour": {func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"},
		"inherited tag": {func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("TEAM"), Value: aws.String("x")}}
		}, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session"},
		"another identity": {func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("bob") }, "AccessDenied", "source identity"},
	} {
		_, err := w.holding(c).AssumeRole(ctx, assume(second, tt.change))
		wantError(t, name, err, tt.code, tt.text)
	}
	_, err = w.holding(c).GetSessionToken(ctx, nil)
	wantError(t, "GetSessionToken of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	w.now = w.now.Add(16 * time.Minute)
	defer func(at time.Time) { w.now = at }(w.now)
	_, err = w.identityOf(w.holding(c))
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("after its end: %v", err)
	}
}

func TestWhoMayAssume(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", mayAssume)
	nobody := w.user(ours, "nobody", "")
	eve := w.user(theirs, "eve", mayAssume)
	quiet := w.user(theirs, "quiet", "")
	account := w.role(ours, "ByAccount", trusts(ours))
	named := w.role(ours, "ByName", trusts(w.users[nobody].ARN))
	foreign := w.role(ours, "Foreign", trusts(theirs))
	foreignNamed := w.role(ours, "ForeignNamed", trusts(w.users[quiet].ARN))
	external := w.role(ours, "External", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+ours+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}}]}`)
	denied := w.role(ours, "Denied", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"},{"Effect":"Deny","Principal":{"AWS":"`+w.users[alice].ARN+`"},"Action":"sts:AssumeRole"}]}`)
	svc := w.role(ours, "Service", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	for _, tt := range []struct {
		key, role string
		change    func(*sts.AssumeRoleInput)
		ok        bool
	}{
		{alice, account, nil, true},
		{nobody, account, nil, false}, // the account's name hands the decision to the account
		{nobody, named, nil, true},
		{alice, named, nil, false},
		{eve, account, nil, false},
		{eve, foreign, nil, true},
		{quiet, foreign, nil, false},
		{quiet, foreignNamed, nil, false}, // across accounts both sides must
		{alice, external, nil, false},
		{alice, external, func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("x-1") }, true},
		{alice, external, func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("x-2") }, false},
		{alice, denied, nil, false},
		{eve, denied, nil, true},
		{alice, svc, nil, false},
		{alice, account, func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
		}, false}, // sts:TagSession is an action of its own
		{alice, account, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("al") }, false},
		{alice, "arn:aws:iam::" + ours + ":role/None", nil, false},
		{"AKIAROOT000000000000", account, nil, false},
	} {
		in := assume(tt.role)
		if tt.change != nil {
			tt.change(in)
		}
		_, err := w.client(tt.key).AssumeRole(context.Background(), in)
		name := w.users[tt.key].ARN + " " + tt.role
		if tt.ok {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		text := "User: " + w.users[tt.key].ARN + " is not authorized to perform: sts:"
		if w.users[tt.key].IsRoot() {
			text = "Roles may not be assumed by root accounts."
		}
		wantError(t, name, err, "AccessDenied", text)
		if strings.Contains(err.Error(), "because no") {
			t.Errorf("%s: tells why: %v", name, err)
		}
	}
	w.broken = errors.New("the tables can't be read")
	_, err := w.client(alice).AssumeRole(context.Background(), assume(account))
	wantError(t, "trouble", err, "InternalFailure", "")
	if strings.Contains(err.Error(), "tables") {
		t.Errorf("the cause is shown: %v", err)
	}
}

func TestAssumeRoleRefusesParameters(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`)
	role := w.role(ours, "Backup", trusts(ours, `,"sts:TagSession"`))
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	for name, tt := range map[string]struct {
		change     func(*sts.AssumeRoleInput)
		code, text string
	}{
		"no ARN":        {func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("nothing-valid-in-here") }, "ValidationError", "nothing-valid-in-here is invalid"},
		"an ARN of STS": {func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:sts::" + ours + ":assumed-role/x/y") }, "ValidationError", "is invalid"},
		"no partition":  {func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn::b:::something/test-role") }, "ValidationError", "arn::b:::something/test-role is invalid"},
		"session name": {func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("Session1:2") }, "ValidationError",
			`1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"too short":            {func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, "ValidationError", "durationSeconds"},
		"longer than the role": {func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7201) }, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		"same tag":             {func(in *sts.AssumeRoleInput) { in.Tags = []types.Tag{tag("a", "1"), tag("A", "2")} }, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		"transitive, no tag":   {func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"x"} }, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		"aws: tag":             {func(in *sts.AssumeRoleInput) { in.Tags = []types.Tag{tag("aws:x", "1")} }, "InvalidParameterValue", "reserved"},
		"policy":               {func(in *sts.AssumeRoleInput) { in.Policy = aws.String(`{"Statement":1}`) }, "MalformedPolicyDocument", ""},
		"long policy":          {func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{" + strings.Repeat(" ", 2048)) }, "ValidationError", "less than or equal to 2048"},
		"policy of others": {func(in *sts.AssumeRoleInput) {
			in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::" + theirs + ":policy/x")}}
		}, "ValidationError", "is invalid"},
		"half of MFA": {func(in *sts.AssumeRoleInput) { in.TokenCode = aws.String("123456") }, "AccessDenied", "must provide both MFA serial number and one time pass code"},
		"MFA": {func(in *sts.AssumeRoleInput) {
			in.SerialNumber, in.TokenCode = aws.String("arn:aws:iam::123456789012:mfa/alice"), aws.String("123456")
		}, "AccessDenied", "unable to validate MFA code"},
	} {
		_, err := w.client(alice).AssumeRole(context.Background(), assume(role, tt.change))
		wantError(t, name, err, tt.code, tt.text)
	}
	if _, err := w.client(alice).AssumeRole(context.Background(), assume(role, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) })); err != nil {
		t.Errorf("as long as the role allows: %v", err)
	}
}

func TestOtherOperations(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	alice := w.user(ours, "alice", "")
	for key, length := range map[string]time.Duration{alice: 12 * time.Hour, "AKIAROOT000000000000": time.Hour} {
		out, err := w.client(key).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Credentials.Expiration.Sub(w.now.UTC().Truncate(time.Second)); got != length {
			t.Errorf("%s: a session of %v", key, got)
		}
		before, _ := w.identityOf(w.client(key))
		after, err := w.identityOf(w.holding(out.Credentials))
		if err != nil || after != before {
			t.Errorf("the session is %q, %v; the user %q", after, err, before)
		}
	}
	_, err := w.client(alice).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &alice})
	wantError(t, "without permission", err, "AccessDenied", "sts:GetAccessKeyInfo")
	root := w.client("AKIAROOT000000000000")
	if out, err := root.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &alice}); err != nil || *out.Account != ours {
		t.Errorf("GetAccessKeyInfo: %v", err)
	}
	_, err = root.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAUNKNOWN000000000")})
	wantError(t, "unknown key", err, "ValidationError", "")
	_, err = root.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
	wantError(t, "DecodeAuthorizationMessage", err, "InvalidAuthorizationMessageException", "")
	_, err = root.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("xx")})
	wantError(t, "GetFederationToken", err, "NotImplemented", "not implemented")
	_, err = w.identityOf(w.with(alice, "wrong", ""))
	wantError(t, "wrong secret", err, "SignatureDoesNotMatch", "")
	_, err = w.identityOf(w.client("AKIAUNKNOWN000000000"))
	wantError(t, "unknown key", err, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

func TestAssumeForService(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	role := w.role(ours, "Replicator", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"`+ours+`"}}}]}`)
	keys := policy.Values{"aws:sourceaccount": {ours}}
	c, err := w.issuer.AssumeForService(ctx, role, "s3.amazonaws.com", "s3-replication", keys)
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != access.Role || c.RoleARN != role || c.ARN != "arn:aws:sts::"+ours+":assumed-role/Replicator/s3-replication" || c.UserID != "AROAReplicator:s3-replication" || !c.Session.Expiry.After(w.now) {
		t.Errorf("the session is %+v", c)
	}
	refused := func(name string, err error) {
		t.Helper()
		if e := awserr.From(err); e == nil || e.Status >= 500 {
			t.Errorf("%s: %v is no refusal", name, err)
		}
	}
	_, err = w.issuer.AssumeForService(ctx, role, "batchoperations.s3.amazonaws.com", "s", keys)
	refused("another service", err)
	_, err = w.issuer.AssumeForService(ctx, role, "s3.amazonaws.com", "s", nil)
	refused("without the key", err)
	_, err = w.issuer.AssumeForService(ctx, "arn:aws:iam::"+ours+":role/None", "s3.amazonaws.com", "s", keys)
	refused("no role", err)
	_, err = w.issuer.AssumeForService(ctx, "nonsense", "s3.amazonaws.com", "s", keys)
	refused("no ARN", err)
	w.broken = realm.ErrUnavailable.Because(errors.New("no home"))
	if _, err = w.issuer.AssumeForService(ctx, role, "s3.amazonaws.com", "s", keys); err == nil || awserr.From(err) != nil {
		t.Errorf("trouble with the tables: %v", err)
	}
}
