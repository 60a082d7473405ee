package service

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	iamshapes "github.com/farhold/farhold/wire/shapes/iam"
	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	account = "123456789012"
	rootKey = "AKIAROOT000000000000"
	userKey = "AKIAUSER000000000000"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// keys are the credentials of the root and of a user.
type keys struct{}

func (keys) Secret(_ context.Context, key, token string) (string, any, error) {
	switch {
	case token == "old":
		return "", nil, sigv4.ErrExpiredToken
	case token != "":
		return "", nil, sigv4.ErrBadToken
	case key == rootKey:
		return secret, &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account, AccessKey: key}, nil
	case key == userKey:
		return secret, &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/bob", UserID: "AIDABOB", Name: "bob", AccessKey: key}, nil
	case key == "AKIAANONYMOUS0000000":
		return secret, &access.Caller{}, nil
	case key == "AKIAHOMELESS00000000":
		return secret, &access.Caller{Kind: access.Root, ARN: "arn:aws:iam:::root", AccessKey: key}, nil
	case key == "AKIASTRANGE000000000":
		return secret, "somebody", nil
	}
	return "", nil, sigv4.ErrUnknownKey
}

// directory lets the user do what a document says.
type directory struct{ doc string }

func (d directory) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	if c.Kind != access.User || d.doc == "" {
		return &access.Policies{}, nil
	}
	p, err := policy.Parse([]byte(d.doc), policy.Identity)
	if err != nil {
		return nil, err
	}
	return &access.Policies{Identity: []*policy.Document{p}}, nil
}

func (directory) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return nil, nil
}

const keyARN = "arn:aws:kms:eu-west-1:" + account + ":key/1"

var (
	errTable  = awserr.New("NotFoundException", 400, "Key '1' does not exist")
	errSilent = awserr.New("InvalidCiphertextException", 400, "")
)

// kmsTable is a table with the operations that the tests need.
func kmsTable(t *testing.T) []Operation {
	return []Operation{
		Op("Encrypt", "kms:Encrypt", On[kmsshapes.EncryptRequest](keyARN), func(_ context.Context, c *Call, in *kmsshapes.EncryptRequest) (*kmsshapes.EncryptResponse, error) {
			switch *in.KeyId {
			case "missing":
				return nil, errTable
			case "silent":
				return nil, errSilent
			case "broken":
				return nil, errors.New("secret canary")
			case "pass":
				return nil, c.May(t.Context(), "iam:PassRole", Target{ARN: "arn:aws:iam::" + account + ":role/r"})
			}
			var b []byte
			for i := len(in.Plaintext) - 1; i >= 0; i-- {
				b = append(b, in.Plaintext[i])
			}
			return &kmsshapes.EncryptResponse{CiphertextBlob: b, KeyId: aws.String(c.Region + in.EncryptionContext["a"])}, nil
		}),
		Op("EnableKey", "kms:EnableKey", On[kmsshapes.EnableKeyRequest](keyARN), func(context.Context, *Call, *kmsshapes.EnableKeyRequest) (*kmsshapes.EnableKeyResponse, error) {
			return nil, nil
		}),
		Op("DescribeKey", "kms:DescribeKey", On[kmsshapes.DescribeKeyRequest](keyARN), func(_ context.Context, c *Call, in *kmsshapes.DescribeKeyRequest) (*kmsshapes.DescribeKeyResponse, error) {
			at := time.UnixMilli(1700000000123)
			return &kmsshapes.DescribeKeyResponse{KeyMetadata: &kmsshapes.KeyMetadata{KeyId: in.KeyId, CreationDate: &at}}, nil
		}),
		Op("ListKeys", "kms:ListKeys", func(context.Context, *Call, *kmsshapes.ListKeysRequest) ([]Target, error) { return nil, nil },
			func(context.Context, *Call, *kmsshapes.ListKeysRequest) (*kmsshapes.ListKeysResponse, error) {
				t.Error("performed without a target")
				return nil, nil
			}),
		{Name: "Sign", Why: "Asymmetric keys are not served."},
	}
}

const allowKMS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","iam:CreateRole","iam:AddUserToGroup"],"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.1"}}}]}`

type seen struct {
	op     string
	status int
}

func start(t *testing.T, s Service, change func(*Options)) (url string, d *Door, log *bytes.Buffer, observed *[]seen) {
	t.Helper()
	log, observed = &bytes.Buffer{}, &[]seen{}
	scope := s.Scope
	if scope == "" {
		scope = s.Name
	}
	o := Options{
		Region: "eu-west-1", Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{scope}}, Decider: &access.Decider{Directory: directory{allowKMS}},
		Log: slog.New(slog.NewTextHandler(log, nil)),
		Observe: func(op string, status int, _, _ int64, _ time.Duration) {
			*observed = append(*observed, seen{op, status})
		},
	}
	if change != nil {
		change(&o)
	}
	d, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	return srv.URL, d, log, observed
}

func kmsService(t *testing.T) Service {
	return Service{Name: "kms", Protocols: []Protocol{JSON11}, Target: kmsshapes.TargetPrefix, Operations: kmsTable(t), Known: kmsshapes.Operations()}
}

func kmsClient(url, region, key, token string) *kms.Client {
	return kms.New(kms.Options{Region: region, BaseEndpoint: &url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token)})
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestJSON(t *testing.T) {
	url, _, log, observed := start(t, kmsService(t), nil)
	c := kmsClient(url, "eu-west-1", rootKey, "")
	out, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("k"), Plaintext: []byte("abc"), EncryptionContext: map[string]string{"a": "ä\"\n"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.CiphertextBlob) != "cba" || *out.KeyId != "eu-west-1ä\"\n" {
		t.Errorf("%q %q", out.CiphertextBlob, *out.KeyId)
	}
	key, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("k")})
	if err != nil || !key.KeyMetadata.CreationDate.Equal(time.UnixMilli(1700000000123)) {
		t.Errorf("%+v %v", key, err)
	}
	if _, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("k")}); err != nil {
		t.Error(err)
	}
	_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("missing"), Plaintext: []byte("a")})
	var missing *kmstypes.NotFoundException
	if !errors.As(err, &missing) || missing.ErrorMessage() != "Key '1' does not exist" {
		t.Error(err)
	}
	_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("silent"), Plaintext: []byte("a")})
	var silent *kmstypes.InvalidCiphertextException
	if !errors.As(err, &silent) || silent.ErrorMessage() != "" {
		t.Error(err)
	}
	_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("broken"), Plaintext: []byte("a")})
	if code(err) != "InternalFailure" || strings.Contains(err.Error(), "canary") || !strings.Contains(log.String(), "canary") {
		t.Errorf("%v, logged %s", err, log)
	}
	_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(""), Plaintext: make([]byte, 4097)})
	if code(err) != "ValidationException" || !strings.Contains(err.Error(), "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1; "+
		"Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096") {
		t.Error(err)
	}
	for _, op := range []func() error{
		func() error {
			_, err := c.Sign(t.Context(), &kms.SignInput{KeyId: aws.String("k"), Message: []byte("a"), SigningAlgorithm: "ECDSA_SHA_256"})
			return err
		},
		func() error { _, err := c.ListAliases(t.Context(), nil); return err },
	} {
		if err := op(); code(err) != "UnknownOperationException" {
			t.Error(err)
		}
	}
	// An operation that is about nothing is our mistake, and no permission.
	if _, err := c.ListKeys(t.Context(), nil); code(err) != "InternalFailure" {
		t.Error(err)
	}
	want := []seen{{"Encrypt", 200}, {"DescribeKey", 200}, {"EnableKey", 200}, {"Encrypt", 400}, {"Encrypt", 400}, {"Encrypt", 500}, {"Encrypt", 400}, {"Sign", 400}, {"ListAliases", 400}, {"ListKeys", 500}}
	if !slices.Equal(*observed, want) {
		t.Errorf("observed %v", *observed)
	}
}

func TestAuthorise(t *testing.T) {
	url, _, _, _ := start(t, kmsService(t), nil)
	user := kmsClient(url, "eu-west-1", userKey, "")
	in := &kms.EncryptInput{KeyId: aws.String("k"), Plaintext: []byte("a")}
	if _, err := user.Encrypt(t.Context(), in); err != nil {
		t.Errorf("who may: %v", err)
	}
	_, err := user.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("k")})
	if code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "StatusCode: 400") ||
		!strings.Contains(err.Error(), "User: arn:aws:iam::123456789012:user/bob is not authorized to perform: kms:EnableKey on resource: "+keyARN+" because no identity-based policy allows the kms:EnableKey action") {
		t.Error(err)
	}
	if _, err := user.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("pass"), Plaintext: []byte("a")}); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "iam:PassRole") {
		t.Errorf("what an operation asks for besides: %v", err)
	}
	// What is wrong with the input is told before whether one may.
	if _, err := user.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: aws.String("")}); code(err) != "ValidationException" {
		t.Error(err)
	}
	for _, tt := range []struct{ name, region, key, token, code string }{
		{"unknown key", "eu-west-1", "AKIAUNKNOWN000000000", "", "UnrecognizedClientException"},
		{"foreign token", "eu-west-1", rootKey, "x", "UnrecognizedClientException"},
		{"ended session", "eu-west-1", rootKey, "old", "ExpiredTokenException"},
		{"another region", "us-west-2", rootKey, "", "InvalidSignatureException"},
		{"a caller who is nobody", "eu-west-1", "AKIAANONYMOUS0000000", "", "AccessDeniedException"},
		{"a caller of no account", "eu-west-1", "AKIAHOMELESS00000000", "", "AccessDeniedException"},
		{"an identity that is no caller", "eu-west-1", "AKIASTRANGE000000000", "", "AccessDeniedException"},
	} {
		if _, err := kmsClient(url, tt.region, tt.key, tt.token).Encrypt(t.Context(), in); code(err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	// Where SourceIp is another, the same user may not.
	url, _, _, _ = start(t, kmsService(t), func(o *Options) {
		o.Decider = &access.Decider{Directory: directory{strings.Replace(allowKMS, "127.0.0.1", "192.0.2.1", 1)}}
	})
	if _, err := kmsClient(url, "eu-west-1", userKey, "").Encrypt(t.Context(), in); code(err) != "AccessDeniedException" {
		t.Error(err)
	}
}

// send signs and sends a request by hand.
func send(t *testing.T, method, uri, service, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, uri, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if service != "" {
		sum := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: secret}, req, hex.EncodeToString(sum[:]), service, "eu-west-1", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestJSONByHand(t *testing.T) {
	url, _, _, _ := start(t, kmsService(t), nil)
	const target = "TrentService.Encrypt"
	for _, tt := range []struct {
		name, method, service, target, body string
		header                              map[string]string
		status                              int
		want                                string
	}{
		{"served", "POST", "kms", target, `{"KeyId":"k","Plaintext":"YWI="}`, nil, 200, `{"CiphertextBlob":"YmE=","KeyId":"eu-west-1"}`},
		{"1.0", "POST", "kms", target, `{"KeyId":"k","Plaintext":"YWI="}`, map[string]string{"Content-Type": "application/x-amz-json-1.0"}, 200, `{"CiphertextBlob":"YmE=","KeyId":"eu-west-1"}`},
		{"no answer", "POST", "kms", "TrentService.EnableKey", `{"KeyId":"k"}`, nil, 200, ``},
		{"unknown before unsigned", "POST", "", "TrentService.Nothing", `{}`, nil, 400, `{"__type":"UnknownOperationException"}`},
		{"another service", "POST", "kms", "Logs.Encrypt", `{}`, nil, 400, `{"__type":"UnknownOperationException"}`},
		{"GET", "GET", "kms", target, ``, nil, 400, `{"__type":"UnknownOperationException"}`},
		{"unsigned", "POST", "", target, `{"KeyId":7}`, nil, 400, `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{"unreadable", "POST", "kms", target, `{"KeyId":7}`, nil, 400, `{"__type":"SerializationException","message":"NUMBER_VALUE can not be converted to String"}`},
		{"absent", "POST", "kms", target, ``, nil, 400, `{"__type":"ValidationException","message":"2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; Value null at 'plaintext' failed to satisfy constraint: Member must not be null"}`},
		{"not served", "POST", "kms", "TrentService.Sign", `{}`, nil, 400, `{"__type":"UnknownOperationException","message":"The operation Sign is not implemented. Asymmetric keys are not served."}`},
		{"a Query client", "POST", "kms", target, `{}`, map[string]string{"X-Amzn-Query-Mode": "true"}, 400, ``},
	} {
		h := map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": tt.target}
		for k, v := range tt.header {
			h[k] = v
		}
		res, body := send(t, tt.method, url, tt.service, tt.body, h)
		if res.StatusCode != tt.status || tt.want != "" && body != tt.want {
			t.Errorf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		if res.Header.Get("Content-Type") != h["Content-Type"] || len(res.Header.Get("X-Amzn-Requestid")) != 36 {
			t.Errorf("%s: %v", tt.name, res.Header)
		}
		if want := ""; h["X-Amzn-Query-Mode"] != "" {
			if want = "ValidationException;Sender"; res.Header.Get("X-Amzn-Query-Error") != want {
				t.Errorf("%s: %v", tt.name, res.Header)
			}
		}
	}
	if res, body := send(t, "POST", url, "", strings.Repeat("x", 3<<20), map[string]string{"X-Amz-Target": target}); res.StatusCode != 413 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func iamTable() []Operation {
	return []Operation{
		Op("CreateRole", "iam:CreateRole", On[iamshapes.CreateRoleRequest]("*"), func(_ context.Context, c *Call, in *iamshapes.CreateRoleRequest) (*iamshapes.CreateRoleResponse, error) {
			at := time.Date(2026, 11, 21, 4, 5, 6, 789e6, time.UTC)
			return &iamshapes.CreateRoleResponse{Role: &iamshapes.Role{RoleName: in.RoleName, CreateDate: &at, Tags: in.Tags, MaxSessionDuration: in.MaxSessionDuration}}, nil
		}),
		Op("AddUserToGroup", "iam:AddUserToGroup", On[iamshapes.AddUserToGroupRequest]("*"), func(context.Context, *Call, *iamshapes.AddUserToGroupRequest) (*iamshapes.AddUserToGroupResponse, error) {
			return nil, nil
		}),
		Op("GetUser", "iam:GetUser", On[iamshapes.GetUserRequest]("*"), func(context.Context, *Call, *iamshapes.GetUserRequest) (*iamshapes.GetUserResponse, error) {
			return nil, awserr.New("NoSuchEntity", 404, "The user with name x cannot be found.")
		}),
	}
}

func iamService() Service {
	return Service{
		Name: "iam", Protocols: []Protocol{Query}, Version: iamshapes.Version, Space: iamshapes.Namespace, Global: true, HideValues: true,
		Operations: iamTable(), Known: iamshapes.Operations(),
	}
}

func TestQuery(t *testing.T) {
	url, _, _, _ := start(t, iamService(), nil)
	client := func(region, key string) *iam.Client {
		return iam.New(iam.Options{Region: region, BaseEndpoint: &url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
	}
	c := client("us-east-1", rootKey) // which is the scope of a global service
	out, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String("{}"), MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("a b"), Value: aws.String("")}, {Key: aws.String("ä"), Value: aws.String("+")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := out.Role; *r.RoleName != "r" || !r.CreateDate.Equal(time.Date(2026, 11, 21, 4, 5, 6, 0, time.UTC)) || *r.MaxSessionDuration != 3600 ||
		len(r.Tags) != 2 || *r.Tags[0].Key != "a b" || *r.Tags[0].Value != "" || *r.Tags[1].Key != "ä" || *r.Tags[1].Value != "+" {
		t.Errorf("%+v", r)
	}
	if _, err := client("eu-west-1", userKey).AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{GroupName: aws.String("g"), UserName: aws.String("u")}); err != nil {
		t.Error(err)
	}
	_, err = c.GetUser(t.Context(), nil)
	var none *iamtypes.NoSuchEntityException
	if !errors.As(err, &none) || none.ErrorMessage() != "The user with name x cannot be found." || !strings.Contains(err.Error(), "StatusCode: 404") {
		t.Error(err)
	}
	_, err = c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String(strings.Repeat("r", 65)), AssumeRolePolicyDocument: aws.String("{}"), MaxSessionDuration: aws.Int32(1)})
	if code(err) != "ValidationError" || !strings.Contains(err.Error(), "2 validation errors detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64; "+
		"Value at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600") {
		t.Error(err)
	}
	_, err = client("us-east-1", userKey).GetUser(t.Context(), nil)
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "StatusCode: 403") {
		t.Error(err)
	}
	if _, err = c.ListUsers(t.Context(), nil); code(err) != "NotImplemented" {
		t.Error(err)
	}
	if _, err = client("mars-north-1", rootKey).GetUser(t.Context(), nil); code(err) != "SignatureDoesNotMatch" {
		t.Error(err)
	}
	if _, err = client("us-east-1", "AKIAUNKNOWN000000000").GetUser(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Error(err)
	}
}

func TestQueryByHand(t *testing.T) {
	base, _, _, _ := start(t, iamService(), nil)
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, tt := range []struct {
		name, method, query, service, body, contentType string
		status                                          int
		want                                            string
	}{
		{"GET", "GET", "?Action=AddUserToGroup&Version=2010-05-08&UserName=u&GroupName=g", "iam", "", "", 200, `<AddUserToGroupResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>`},
		{"POST", "POST", "", "iam", "Action=AddUserToGroup&Version=2010-05-08&UserName=u&GroupName=g", form, 200, `<AddUserToGroupResponse xmlns=`},
		{"half and half", "POST", "?Action=AddUserToGroup&Version=2010-05-08", "iam", "UserName=u&GroupName=g", form, 200, `<AddUserToGroupResponse xmlns=`},
		{"twice", "POST", "?Action=AddUserToGroup&Version=2010-05-08", "iam", "Action=GetUser", form, 400, "MalformedQueryString"},
		{"no action", "GET", "", "iam", "", "", 400, "<Code>MissingAction</Code>"},
		{"unknown action", "GET", "?Action=Fly&Version=2010-05-08", "iam", "", "", 400, "<Code>InvalidAction</Code><Message>Could not find operation Fly for version 2010-05-08</Message>"},
		{"unknown before unsigned", "GET", "?Action=Fly", "", "", "", 400, "Could not find operation Fly for version NO_VERSION_SPECIFIED"},
		{"another version", "GET", "?Action=GetUser&Version=2009-01-01", "iam", "", "", 400, "<Code>InvalidAction</Code>"},
		{"unsigned", "GET", "?Action=GetUser&Version=2010-05-08", "", "", "", 403, "<Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message>"},
		{"method", "PUT", "?Action=GetUser&Version=2010-05-08", "iam", "", "", 405, "<Type>Sender</Type><Code>UnsupportedOperation</Code>"},
		{"a type that is no form", "POST", "", "iam", "{}", "application/json", 400, "<Code>MalformedInput</Code>"},
		{"a JSON client", "POST", "", "iam", "{}", "application/x-amz-json-1.1", 400, `{"__type":"UnknownOperationException"}`},
	} {
		h := map[string]string{}
		if tt.contentType != "" {
			h["Content-Type"] = tt.contentType
		}
		res, body := send(t, tt.method, base+"/"+tt.query, tt.service, tt.body, h)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		if id := res.Header.Get("X-Amzn-Requestid"); strings.HasPrefix(body, "<") && (!strings.Contains(body, "<RequestId>"+id+"</RequestId>") || res.Header.Get("Content-Type") != "text/xml") {
			t.Errorf("%s: %v %s", tt.name, res.Header, body)
		}
	}
	// Presigned, as whoever has no client of AWS's does it.
	req, _ := http.NewRequest("GET", base+"/?Action=AddUserToGroup&Version=2010-05-08&UserName=u&GroupName=g&X-Amz-Expires=60", nil)
	sum := sha256.Sum256(nil)
	uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: secret}, req, hex.EncodeToString(sum[:]), "iam", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if res, body := send(t, "GET", uri, "", "", nil); res.StatusCode != 200 {
		t.Errorf("presigned: %d %s", res.StatusCode, body)
	}
	if _, err := url.Parse(uri); err != nil {
		t.Error(err)
	}
}

type putMetric struct {
	Namespace  *string `required:"true" len:"1,255"`
	MetricData []struct {
		MetricName *string `required:"true"`
		Value      *float64
		Timestamp  *time.Time
		Dimensions []struct{ Name, Value *string }
	}
}

type statistics struct {
	Label      *string
	Datapoints []point
}

type point struct {
	Timestamp *time.Time
	Average   *float64
}

type getStatistics struct {
	MetricName *string
	StartTime  *time.Time
}

type noAnswer struct {
	_ struct{} `unit:"true"`
}

// The client of CloudWatch speaks CBOR, and compresses what is long.
func TestCBOR(t *testing.T) {
	var got *putMetric
	url, _, _, _ := start(t, Service{
		Name: "cloudwatch", Scope: "monitoring", Protocols: []Protocol{CBOR, JSON10, Query}, Target: "GraniteServiceVersion20100801",
		Version: "2010-08-01", Space: "http://monitoring.amazonaws.com/doc/2010-08-01/", Known: []string{"PutMetricData", "GetMetricStatistics", "DescribeAlarms"},
		QueryErrors: map[string]string{"NoSuchMetricException": "NoSuchMetric"},
		Operations: []Operation{
			Op("PutMetricData", "cloudwatch:PutMetricData", On[putMetric]("*"), func(_ context.Context, _ *Call, in *putMetric) (*noAnswer, error) {
				got = in
				return nil, nil
			}),
			Op("GetMetricStatistics", "cloudwatch:GetMetricStatistics", On[getStatistics]("*"), func(_ context.Context, _ *Call, in *getStatistics) (*statistics, error) {
				if *in.MetricName == "none" {
					return nil, awserr.New("NoSuchMetricException", 404, "no such metric")
				}
				v := 1.5
				return &statistics{Label: in.MetricName, Datapoints: []point{{Timestamp: in.StartTime, Average: &v}}}, nil
			}),
		},
	}, nil)
	c := cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(rootKey, secret, "")})
	at := time.UnixMilli(1700000000123).UTC()
	var data []cwtypes.MetricDatum
	for range 200 { // long enough to be compressed
		data = append(data, cwtypes.MetricDatum{MetricName: aws.String("m"), Value: aws.Float64(0.25), Timestamp: &at,
			Dimensions: []cwtypes.Dimension{{Name: aws.String("d"), Value: aws.String("ä")}}})
	}
	if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("ns"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
	if got == nil || *got.Namespace != "ns" || len(got.MetricData) != 200 || *got.MetricData[7].Value != 0.25 || !got.MetricData[7].Timestamp.Equal(at) || *got.MetricData[7].Dimensions[0].Value != "ä" {
		t.Errorf("%+v", got)
	}
	in := &cloudwatch.GetMetricStatisticsInput{MetricName: aws.String("m"), Namespace: aws.String("n"), StartTime: &at, EndTime: &at, Period: aws.Int32(60)}
	out, err := c.GetMetricStatistics(t.Context(), in)
	if err != nil || *out.Label != "m" || len(out.Datapoints) != 1 || *out.Datapoints[0].Average != 1.5 || !out.Datapoints[0].Timestamp.Equal(at) {
		t.Errorf("%+v %v", out, err)
	}
	in.MetricName = aws.String("none")
	if _, err = c.GetMetricStatistics(t.Context(), in); code(err) != "NoSuchMetric" || !strings.Contains(err.Error(), "no such metric") {
		t.Error(err)
	}
	if _, err = c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String(""), MetricData: []cwtypes.MetricDatum{}}); code(err) != "ValidationException" {
		t.Error(err)
	}
	if _, err = c.DescribeAlarms(t.Context(), nil); code(err) != "UnknownOperationException" {
		t.Error(err)
	}
	// By hand: the headers, a body that inflates without end, and the JSON and
	// Query of the same table.
	h := map[string]string{"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor", "X-Amzn-Query-Mode": "true"}
	res, body := send(t, "POST", url+"/service/GraniteServiceVersion20100801/operation/GetMetricStatistics", "monitoring", "\xa1\x6aMetricName\x64none", h)
	if res.StatusCode != 404 || res.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || res.Header.Get("Content-Type") != "application/cbor" ||
		res.Header.Get("X-Amzn-Query-Error") != "NoSuchMetric;Sender" || body != "\xa2\x66__type\x75NoSuchMetricException\x67message\x6eno such metric" {
		t.Errorf("%d %v %q", res.StatusCode, res.Header, body)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, inflatedMax+1))
	z.Close()
	h["Content-Encoding"] = "gzip"
	if res, body = send(t, "POST", url+"/service/GraniteServiceVersion20100801/operation/PutMetricData", "monitoring", bomb.String(), h); res.StatusCode != 413 {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	h["Content-Encoding"] = "br"
	if res, body = send(t, "POST", url+"/service/GraniteServiceVersion20100801/operation/PutMetricData", "monitoring", "x", h); res.StatusCode != 415 {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	res, body = send(t, "POST", url, "monitoring", `{"MetricName":"m","StartTime":1700000000.123}`, map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics"})
	if res.StatusCode != 200 || body != `{"Label":"m","Datapoints":[{"Timestamp":1700000000.123,"Average":1.5}]}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, body = send(t, "POST", url, "monitoring", "Action=GetMetricStatistics&Version=2010-08-01&MetricName=m&StartTime=2023-11-14T22:13:20Z", map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	if res.StatusCode != 200 || !strings.Contains(body, "<Datapoints><member><Timestamp>2023-11-14T22:13:20Z</Timestamp><Average>1.5</Average></member></Datapoints>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// A table in which something could be reached without a decision is refused.
func TestNewRefuses(t *testing.T) {
	type in struct{}
	type broken struct{ C chan int }
	do := func(context.Context, *Call, *in) (*in, error) { return nil, nil }
	good := Op("A", "x:A", On[in]("*"), do)
	o := Options{Region: "r", Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{"x"}}, Decider: &access.Decider{}}
	base := Service{Name: "x", Protocols: []Protocol{JSON11}, Target: "X"}
	for _, tt := range []struct {
		name string
		ops  []Operation
		ok   bool
	}{
		{"good", []Operation{good}, true},
		{"open", []Operation{Op[in, in]("A", "", nil, do)}, true},
		{"known and not served", []Operation{good, {Name: "B", Why: "Later."}}, true},
		{"no operation", nil, false},
		{"no action", []Operation{{Name: "A", New: good.New, Do: good.Do, Targets: good.Targets}}, false},
		{"no action, by Op", []Operation{Op("A", "", On[in]("*"), do)}, false},
		{"no targets", []Operation{{Name: "A", Action: "x:A", New: good.New, Do: good.Do}}, false},
		{"no targets, by Op", []Operation{Op[in, in]("A", "x:A", nil, do)}, false},
		{"open with an action", []Operation{{Name: "A", Open: true, Action: "x:A", New: good.New, Do: good.Do}}, false},
		{"an action of no service", []Operation{Op("A", "A", On[in]("*"), do)}, false},
		{"nothing to do", []Operation{{Name: "A", Action: "x:A", New: good.New, Targets: good.Targets}}, false},
		{"served and not served", []Operation{{Name: "A", Action: "x:A", New: good.New, Targets: good.Targets, Do: good.Do, Why: "Later."}}, false},
		{"no name", []Operation{Op("", "x:A", On[in]("*"), do)}, false},
		{"twice", []Operation{good, good}, false},
		{"an input without a form", []Operation{Op("A", "x:A", On[broken]("*"), func(context.Context, *Call, *broken) (*in, error) { return nil, nil })}, false},
	} {
		s := base
		s.Operations = tt.ops
		if _, err := New(s, o); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, change := range map[string]func(*Service, *Options){
		"an operation that the service lacks": func(s *Service, _ *Options) { s.Known = []string{"B"} },
		"no protocol":                         func(s *Service, _ *Options) { s.Protocols = nil },
		"no target":                           func(s *Service, _ *Options) { s.Target = "" },
		"REST without paths":                  func(s *Service, _ *Options) { s.Protocols = []Protocol{RESTXML} },
		"no decider":                          func(_ *Service, o *Options) { o.Decider = nil },
		"no verifier":                         func(_ *Service, o *Options) { o.Verifier = nil },
		"another scope":                       func(s *Service, _ *Options) { s.Scope = "y" },
	} {
		s, opt := base, o
		s.Operations = []Operation{good}
		change(&s, &opt)
		if _, err := New(s, opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOperations(t *testing.T) {
	_, d, _, _ := start(t, kmsService(t), nil)
	ops := d.Operations()
	if len(ops) != len(kmsshapes.Operations()) {
		t.Errorf("%d operations", len(ops))
	}
	served := 0
	for i, op := range ops {
		if op.Name != kmsshapes.Operations()[i] || (op.Do == nil) == (op.Why == "") {
			t.Errorf("%+v", op)
		}
		if op.Do != nil {
			served++
		}
	}
	if served != 4 {
		t.Errorf("%d served", served)
	}
}
