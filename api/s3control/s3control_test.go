package s3control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/s3control/types"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	account = "111122223333"
	other   = "444455556666"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

type keys struct{}

func (keys) Secret(_ context.Context, key, _ string) (string, any, error) {
	c := &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
	switch key {
	case "ROOT":
	case "OTHER":
		c.Account, c.ARN = other, "arn:aws:iam::"+other+":root"
	case "USER":
		c.Kind, c.ARN = access.User, "arn:aws:iam::"+account+":user/bob"
	default:
		return "", nil, sigv4.ErrUnknownKey
	}
	return secret, c, nil
}

// directory lets the user tag with the key Team alone.
type directory struct{}

func (directory) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	if c.Kind == access.Root {
		return &access.Policies{}, nil
	}
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:TagResource","s3:UntagResource"],"Resource":"arn:aws:s3:::photos",
		"Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"Team"},"StringNotEquals":{"aws:RequestTag/Team":"root"}}}}`), policy.Identity)
	if err != nil {
		return nil, err
	}
	return &access.Policies{Identity: []*policy.Document{doc}}, nil
}

func (directory) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return nil, nil
}

type world struct {
	t       *testing.T
	service *Service
	store   *store.Store
	realm   *realm.Realm
	server  *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rk, err := realm.ParseKeys(realm.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	r, err := realm.Open(t.Context(), realm.Options{
		Region: "us-east-1", Home: "us-east-1", Account: account, KV: memkv.New(), Now: time.Now, Keys: rk,
		Regions: []realm.RegionInfo{{Name: "us-east-1", Endpoint: "127.0.0.1:9000", Peer: "127.0.0.1:9001"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	keeper, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Region: "us-east-1", KV: memkv.New(), Blobs: memblob.New(memblob.Options{}), Keeper: keeper, Clock: stamp.NewClock("us-east-1", nil, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateBucket(t.Context(), store.NewBucket{Name: "photos", UID: s3.UID("0123456789abcdef"), Owner: account}); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, service: New(RealmRows(r), StoreBuckets(s)), store: s, realm: r}
	_, w.server = servicetest.Serve(t, w.service.Service(), service.Options{
		Region: "us-east-1", Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{"s3"}}, Decider: &access.Decider{Directory: directory{}},
	})
	return w
}

// client gives one that puts the account in front of the host, as clients do.
func (w *world) client(key string) *s3control.Client {
	at := strings.TrimPrefix(w.server.URL, "http://")
	return s3control.New(s3control.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://s3.test"), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
			if !strings.HasPrefix(host, account+".s3.test") && !strings.HasPrefix(host, other+".s3.test") {
				w.t.Errorf("dialled %s", host)
			}
			return (&net.Dialer{}).DialContext(ctx, network, at)
		}}},
	})
}

// raw sends a body that no client would send, signed by the root user.
func (w *world) raw(method, path, body string) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	req.Header.Set("X-Amz-Account-Id", account)
	sign := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := sign.SignHTTP(w.t.Context(), aws.Credentials{AccessKeyID: "ROOT", SecretAccessKey: secret}, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestPublicAccessBlock(t *testing.T) {
	w := newWorld(t)
	c := w.client("ROOT")
	me := aws.String(account)
	get := func() (*types.PublicAccessBlockConfiguration, error) {
		out, err := c.GetPublicAccessBlock(t.Context(), &s3control.GetPublicAccessBlockInput{AccountId: me})
		if err != nil {
			return nil, err
		}
		return out.PublicAccessBlockConfiguration, nil
	}
	if _, err := get(); code(err) != "NoSuchPublicAccessBlockConfiguration" || !strings.Contains(err.Error(), "StatusCode: 404") {
		t.Error(err)
	}
	if b := w.service.AccountBlock(account); b != (rule.PublicAccessBlock{}) {
		t.Errorf("%+v", b)
	}
	put := func(c *s3control.Client, account string, b types.PublicAccessBlockConfiguration) error {
		_, err := c.PutPublicAccessBlock(t.Context(), &s3control.PutPublicAccessBlockInput{AccountId: &account, PublicAccessBlockConfiguration: &b})
		return err
	}
	yes := aws.Bool(true)
	for _, b := range []rule.PublicAccessBlock{
		{BlockPublicACLs: true}, {IgnorePublicACLs: true}, {BlockPublicPolicy: true}, {RestrictPublicBuckets: true},
		{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}, {},
	} {
		if err := put(c, account, types.PublicAccessBlockConfiguration{
			BlockPublicAcls: &b.BlockPublicACLs, IgnorePublicAcls: &b.IgnorePublicACLs, BlockPublicPolicy: &b.BlockPublicPolicy, RestrictPublicBuckets: &b.RestrictPublicBuckets,
		}); err != nil {
			t.Fatal(err)
		}
		got, err := get()
		if err != nil || *got.BlockPublicAcls != b.BlockPublicACLs || *got.IgnorePublicAcls != b.IgnorePublicACLs || *got.BlockPublicPolicy != b.BlockPublicPolicy || *got.RestrictPublicBuckets != b.RestrictPublicBuckets {
			t.Errorf("%+v %v, want %+v", got, err, b)
		}
		if now := w.service.AccountBlock(account); now != b {
			t.Errorf("%+v, want %+v", now, b)
		}
	}
	if err := put(c, account, types.PublicAccessBlockConfiguration{BlockPublicPolicy: yes}); err != nil {
		t.Error(err)
	}
	if b := w.service.AccountBlock(account); b != (rule.PublicAccessBlock{BlockPublicPolicy: true}) {
		t.Errorf("what is not said is off: %+v", b)
	}
	if b := w.service.AccountBlock(other); b != (rule.PublicAccessBlock{}) {
		t.Errorf("of another account: %+v", b)
	}
	// Nobody of another account, and no user without permission.
	for _, key := range []string{"OTHER", "USER"} {
		if err := put(w.client(key), account, types.PublicAccessBlockConfiguration{BlockPublicAcls: yes}); code(err) != "AccessDenied" || !strings.Contains(err.Error(), "StatusCode: 403") {
			t.Errorf("%s: %v", key, err)
		}
	}
	for range 2 { // once more does no harm
		if _, err := c.DeletePublicAccessBlock(t.Context(), &s3control.DeletePublicAccessBlockInput{AccountId: me}); err != nil {
			t.Error(err)
		}
	}
	if _, err := get(); code(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Error(err)
	}
	// A row that nobody can read blocks everything.
	if err := RealmRows(w.realm).SetRow(t.Context(), blockKey(account), []byte{9}); err != nil {
		t.Fatal(err)
	}
	if b := w.service.AccountBlock(account); b != (rule.PublicAccessBlock{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}) {
		t.Errorf("%+v", b)
	}
}

func TestBucketTags(t *testing.T) {
	w := newWorld(t)
	c := w.client("ROOT")
	me, photos := aws.String(account), aws.String("arn:aws:s3:::photos")
	list := func() map[string]string {
		out, err := c.ListTagsForResource(t.Context(), &s3control.ListTagsForResourceInput{AccountId: me, ResourceArn: photos})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, tag := range out.Tags {
			got[*tag.Key] = *tag.Value
		}
		return got
	}
	tag := func(c *s3control.Client, pairs ...string) error {
		in := &s3control.TagResourceInput{AccountId: me, ResourceArn: photos}
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		_, err := c.TagResource(t.Context(), in)
		return err
	}
	if got := list(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if err := tag(c, "Team", "red", "größe", ""); err != nil {
		t.Fatal(err)
	}
	if err := tag(c, "Team", "blue", "Stage", "test"); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 3 || got["Team"] != "blue" || got["Stage"] != "test" || got["größe"] != "" {
		t.Errorf("%v", got)
	}
	// They are the tags that GetBucketTagging answers with.
	b, err := w.store.Bucket(t.Context(), "photos")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.store.Document(t.Context(), b, "tagging", "")
	if err != nil || !strings.Contains(string(raw), "<Key>Team</Key><Value>blue</Value>") {
		t.Errorf("%s %v", raw, err)
	}
	if _, err := c.UntagResource(t.Context(), &s3control.UntagResourceInput{AccountId: me, ResourceArn: photos, TagKeys: []string{"größe", "absent"}}); err != nil {
		t.Error(err)
	}
	if got := list(); len(got) != 2 {
		t.Errorf("%v", got)
	}

	// The user may tag with one key alone, and not with every value.
	user := w.client("USER")
	if err := tag(user, "Team", "green"); err != nil {
		t.Error(err)
	}
	for _, pairs := range [][]string{{"Stage", "prod"}, {"Team", "red", "Stage", "prod"}, {"Team", "root"}} {
		if err := tag(user, pairs...); code(err) != "AccessDenied" {
			t.Errorf("%v: %v", pairs, err)
		}
	}
	if _, err := user.UntagResource(t.Context(), &s3control.UntagResourceInput{AccountId: me, ResourceArn: photos, TagKeys: []string{"Stage"}}); code(err) != "AccessDenied" {
		t.Error(err)
	}
	if got := list(); len(got) != 2 || got["Team"] != "green" {
		t.Errorf("%v", got)
	}
	var many []string
	for i := range 50 {
		many = append(many, "k"+string(rune('a'+i%26))+string(rune('a'+i/26)), "v")
	}
	if err := tag(c, many...); code(err) != rule.ErrTooManyBucketTags.Code {
		t.Errorf("52 tags in all: %v", err)
	}

	for name, tt := range map[string]struct {
		client       *s3control.Client
		account, arn string
		code         string
	}{
		"no such bucket":         {c, account, "arn:aws:s3:::absent", "NoSuchResource"},
		"another kind":           {c, account, "arn:aws:s3:us-east-1:111122223333:accesspoint/a", "NoSuchResource"},
		"an object":              {c, account, "arn:aws:s3:::photos/a.jpg", "NoSuchResource"},
		"no ARN":                 {c, account, "photos", "NoSuchResource"},
		"another account's name": {c, other, "arn:aws:s3:::photos", "AccessDenied"},
		"another account":        {w.client("OTHER"), account, "arn:aws:s3:::photos", "AccessDenied"},
	} {
		if _, err := tt.client.ListTagsForResource(t.Context(), &s3control.ListTagsForResourceInput{AccountId: &tt.account, ResourceArn: &tt.arn}); code(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The last tag goes with the document.
	if _, err := c.UntagResource(t.Context(), &s3control.UntagResourceInput{AccountId: me, ResourceArn: photos, TagKeys: []string{"Team", "Stage"}}); err != nil {
		t.Error(err)
	}
	if b, err = w.store.Bucket(t.Context(), "photos"); err != nil || b.Has("tagging") {
		t.Errorf("%v %v", b, err)
	}
}

// What is wrong with tags, and buckets that are not there, in S3 Control's own
// words: as recorded at AWS on 28 November 2025.
func TestBadTags(t *testing.T) {
	w := newWorld(t)
	c := w.client("ROOT")
	me := aws.String(account)
	const (
		prefix = "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \"aws:\" from your tag keys and try again."
		twice  = "There are duplicate tag keys in your request. Remove the duplicate tag keys and try again."
		chars  = "This request contains a tag key or value that isn't valid. Valid characters include the following: [a-zA-Z+-=._:/]. Tag keys can contain up to 128 characters. Tag values can contain up to 256 characters."
		schema = "The XML you provided was not well-formed or did not validate against our published schema"
	)
	for name, tt := range map[string]struct {
		pairs   []string
		code    string
		message string
	}{
		"a system tag":         {[]string{"aws:test", "value1"}, "InvalidTag", prefix},
		"a key twice":          {[]string{"key1", "value1", "key1", "value1"}, "InvalidTag", twice},
		"a comma in the value": {[]string{"test", "value1,value2"}, "InvalidTag", chars},
		"a comma in the key":   {[]string{"test,test2", "value1"}, "InvalidTag", chars},
		"a long key":           {[]string{strings.Repeat("k", 129), "v"}, "InvalidTag", chars},
		"a long value":         {[]string{"k", strings.Repeat("v", 257)}, "InvalidTag", chars},
	} {
		in := &s3control.TagResourceInput{AccountId: me, ResourceArn: aws.String("arn:aws:s3:::photos")}
		for i := 0; i < len(tt.pairs); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &tt.pairs[i], Value: &tt.pairs[i+1]})
		}
		_, err := c.TagResource(t.Context(), in)
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != tt.code || e.ErrorMessage() != tt.message || !strings.Contains(err.Error(), "StatusCode: 400") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"no key":   "<Tag><Value>v</Value></Tag>",
		"no value": "<Tag><Key>k</Key></Tag>",
	} {
		status, answer := w.raw("POST", "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Aphotos", `<TagResourceRequest xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><Tags>`+body+`</Tags></TagResourceRequest>`)
		if status != 400 || !strings.Contains(answer, "<Code>MalformedXML</Code><Message>"+schema) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	absent := aws.String("arn:aws:s3:::absent")
	_, tagged := c.TagResource(t.Context(), &s3control.TagResourceInput{AccountId: me, ResourceArn: absent, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	_, untagged := c.UntagResource(t.Context(), &s3control.UntagResourceInput{AccountId: me, ResourceArn: absent, TagKeys: []string{"k"}})
	_, listed := c.ListTagsForResource(t.Context(), &s3control.ListTagsForResourceInput{AccountId: me, ResourceArn: absent})
	for op, err := range map[string]error{"TagResource": tagged, "UntagResource": untagged, "ListTagsForResource": listed} {
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "NoSuchResource" || e.ErrorMessage() != "The specified resource doesn't exist." || !strings.Contains(err.Error(), "StatusCode: 404") {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// What is not served says so, and what is no S3 Control at all too.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	c := w.client("ROOT")
	me := aws.String(account)
	if _, err := c.ListJobs(t.Context(), &s3control.ListJobsInput{AccountId: me}); code(err) != "NotImplemented" || !strings.Contains(err.Error(), "StatusCode: 501") {
		t.Error(err)
	}
	if _, err := c.GetAccessPoint(t.Context(), &s3control.GetAccessPointInput{AccountId: me, Name: aws.String("a")}); code(err) != "NotImplemented" {
		t.Error(err)
	}
	if _, err := w.client("NOBODY").GetPublicAccessBlock(t.Context(), &s3control.GetPublicAccessBlockInput{AccountId: me}); code(err) != "InvalidAccessKeyId" {
		t.Error(err)
	}
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/v20180820/configuration/publicAccessBlock", 403, "<ErrorResponse xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\"><Error><Code>AccessDenied</Code>"},
		{"PATCH", "/v20180820/configuration/publicAccessBlock", 405, "<Code>MethodNotAllowed</Code>"},
		{"GET", "/v20180820/nothing/of/the/kind", 405, "<Code>MethodNotAllowed</Code>"},
	} {
		req, _ := http.NewRequest(tt.method, w.server.URL+tt.path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, _ := res.Body.Read(b)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(b[:n]), tt.want) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, res.StatusCode, b[:n])
		}
	}
}
