package sts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/wire/sigv4"
)

const (
	account = "123456789012"
	key     = "AKIAIOSFODNN7EXAMPLE"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

type root struct{}

func (root) Account() string { return account }
func (root) ARN() string     { return "arn:aws:iam::" + account + ":root" }
func (root) UserID() string  { return account }

type keys struct{}

func (keys) Secret(_ context.Context, accessKey, token string) (string, any, error) {
	switch {
	case accessKey == "BROKEN":
		return "", nil, errors.New("secret canary")
	case accessKey != key:
		return "", nil, sigv4.ErrUnknownKey
	case token == "old":
		return "", nil, sigv4.ErrExpiredToken
	}
	return secret, root{}, nil
}

func start(t *testing.T) *httptest.Server {
	s := httptest.NewServer(New(Options{
		Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{"sts"}},
		Regions:  func() []string { return []string{"us-east-1", "eu-west-1"} },
	}))
	t.Cleanup(s.Close)
	return s
}

func client(s *httptest.Server, region, key, secret, token string) *awssts.Client {
	return awssts.New(awssts.Options{
		Region: region, BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
	})
}

func TestGetCallerIdentity(t *testing.T) {
	s := start(t)
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		who, err := client(s, region, key, secret, "").GetCallerIdentity(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if *who.Account != account || *who.UserId != account || *who.Arn != "arn:aws:iam::123456789012:root" {
			t.Errorf("%s: %s %s %s", region, *who.Account, *who.UserId, *who.Arn)
		}
	}
}

func TestPresigned(t *testing.T) {
	s := start(t)
	// As aws-iam-authenticator and "aws eks get-token" make them.
	req, _ := http.NewRequest("GET", s.URL+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	req.Header.Set("X-K8s-Aws-Id", "cluster")
	uri, header, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, req, sum(""), "sts", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	req, _ = http.NewRequest("GET", uri, nil)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`
	if res.StatusCode != 200 || !strings.Contains(string(b), want) || res.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func TestErrors(t *testing.T) {
	s := start(t)
	for _, tt := range []struct{ name, region, key, secret, token, code string }{
		{"unknown key", "us-east-1", "AKIAUNKNOWN000000000", secret, "", "InvalidClientTokenId"},
		{"wrong secret", "us-east-1", key, "x", "", "SignatureDoesNotMatch"},
		{"ended session", "us-east-1", key, secret, "old", "ExpiredToken"},
		{"unknown region", "mars-north-1", key, secret, "", "SignatureDoesNotMatch"},
		{"our own fault", "us-east-1", "BROKEN", secret, "", "InternalFailure"},
	} {
		_, err := client(s, tt.region, tt.key, tt.secret, tt.token).GetCallerIdentity(t.Context(), nil)
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the cause is told: %v", tt.name, err)
		}
	}
	_, err := client(s, "us-east-1", key, secret, "").AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), RoleSessionName: aws.String("session")})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "NotImplemented" {
		t.Errorf("AssumeRole: %v, want NotImplemented", err)
	}

	signed := func(method, query, form string) *http.Request {
		req, _ := http.NewRequest(method, s.URL+"/"+query, strings.NewReader(form))
		if form != "" {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, req, sum(form), "sts", "us-east-1", time.Now())
		return req
	}
	form := url.Values{"Action": {"GetCallerIdentity"}, "Version": {version}}.Encode()
	unsigned, _ := http.NewRequest("POST", s.URL, strings.NewReader(form))
	unsigned.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	badType := signed("POST", "", form)
	badType.Header.Set("Content-Type", "text/plain")
	v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, badType, sum(form), "sts", "us-east-1", time.Now())
	tampered := signed("POST", "", form)
	tampered.Body = io.NopCloser(strings.NewReader(strings.Replace(form, "Caller", "Callee", 1)))
	for name, tt := range map[string]struct {
		req    *http.Request
		status int
		code   string
	}{
		"not signed":     {unsigned, 403, "MissingAuthenticationToken"},
		"get":            {signed("GET", "?"+form, ""), 200, ""},
		"no action":      {signed("POST", "", "Version="+version), 400, "MissingAction"},
		"unknown action": {signed("POST", "", "Action=Dance&Version="+version), 400, "InvalidAction"},
		"no version":     {signed("POST", "", "Action=GetCallerIdentity"), 400, "InvalidAction"},
		"twice":          {signed("POST", "?Action=AssumeRole", form), 400, "MalformedQueryString"},
		"bad escape":     {signed("POST", "", "Action=%zz"), 400, "MalformedQueryString"},
		"no form":        {badType, 400, "MalformedInput"},
		"put":            {signed("PUT", "", form), 405, "UnsupportedOperation"},
		"tampered":       {tampered, 403, "SignatureDoesNotMatch"},
	} {
		res, err := http.DefaultClient.Do(tt.req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || tt.code != "" && !strings.Contains(string(b), "<Code>"+tt.code+"</Code>") {
			t.Errorf("%s: %d %s; want %d %s", name, res.StatusCode, b, tt.status, tt.code)
		}
		if id := res.Header.Get("X-Amzn-Requestid"); len(id) != 36 || !strings.Contains(string(b), "<RequestId>"+id+"</RequestId>") {
			t.Errorf("%s: request ID %q is not in the answer", name, id)
		}
	}
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
