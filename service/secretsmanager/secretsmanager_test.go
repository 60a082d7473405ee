package secretsmanager

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

type keys struct{}

func (keys) Secret(_ context.Context, key, _ string) (string, any, error) {
	switch key {
	case "AKIAROOT000000000000":
		return "secret", &access.Caller{Kind: access.Root, Account: "123456789012", ARN: "arn:aws:iam::123456789012:root"}, nil
	case "AKIAUSER000000000000":
		return "secret", &access.Caller{Kind: access.User, Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/bob"}, nil
	}
	return "", nil, sigv4.ErrUnknownKey
}

type directory struct{}

func (directory) Policies(context.Context, *access.Caller) (*access.Policies, error) {
	return &access.Policies{}, nil
}

func (directory) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return nil, nil
}

func client(t *testing.T, key string) *sm.Client {
	t.Helper()
	_, srv := servicetest.Serve(t, Service(), service.Options{
		Region: "eu-west-1", Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{"secretsmanager"}}, Decider: &access.Decider{Directory: directory{}},
	})
	// The SDK may close a connection under a long answer; then it tries again.
	return sm.New(sm.Options{Region: "eu-west-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 5, Credentials: credentials.NewStaticCredentialsProvider(key, "secret", "")})
}

func TestGetRandomPassword(t *testing.T) {
	c := client(t, "AKIAROOT000000000000")
	const all = lower + upper + digits + punctuation
	yes := aws.Bool(true)
	for _, tt := range []struct {
		name    string
		in      sm.GetRandomPasswordInput
		length  int
		allowed string
		each    []string
	}{
		{"defaults", sm.GetRandomPasswordInput{}, 32, all, []string{lower, upper, digits, punctuation}},
		{"as short as can be", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4)}, 4, all, []string{lower, upper, digits, punctuation}},
		{"as long as can be", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4096)}, 4096, all, []string{lower, upper, digits, punctuation}},
		{"types excluded", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(2), ExcludePunctuation: yes, ExcludeUppercase: yes}, 2, lower + digits, []string{lower, digits}},
		{"one type", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(1), ExcludePunctuation: yes, ExcludeUppercase: yes, ExcludeLowercase: yes}, 1, digits, []string{digits}},
		{"characters excluded", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(500), ExcludeCharacters: aws.String(`abc"\/@'ä`)}, 500, strings.NewReplacer("a", "", "b", "", "c", "", `"`, "", `\`, "", "/", "", "@", "", "'", "").Replace(all), nil},
		{"a type excluded by its characters", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(3), ExcludeCharacters: aws.String(digits)}, 3, lower + upper + punctuation, []string{lower, upper, punctuation}},
		{"space", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(2000), IncludeSpace: yes}, 2000, all + " ", []string{" "}},
		{"space alone", sm.GetRandomPasswordInput{IncludeSpace: yes, ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludeNumbers: yes, ExcludePunctuation: yes}, 32, " ", []string{" "}},
		{"nothing required", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(1), RequireEachIncludedType: aws.Bool(false)}, 1, all, nil},
		{"the rarest", sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4), ExcludeCharacters: aws.String(lower[1:] + upper[1:] + digits[1:])}, 4, "aA0" + punctuation, []string{"a", "A", "0", punctuation}},
	} {
		for range 20 {
			out, err := c.GetRandomPassword(t.Context(), &tt.in)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				break
			}
			p := *out.RandomPassword
			if len(p) != tt.length || strings.Trim(p, tt.allowed) != "" {
				t.Errorf("%s: %q", tt.name, p)
			}
			for _, set := range tt.each {
				if !strings.ContainsAny(p, set) {
					t.Errorf("%s: %q has none of %s", tt.name, p, set)
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	c := client(t, "AKIAROOT000000000000")
	yes := aws.Bool(true)
	for _, tt := range []struct {
		in            sm.GetRandomPasswordInput
		code, message string
	}{
		{sm.GetRandomPasswordInput{PasswordLength: aws.Int64(3)}, "InvalidParameterException", errShort.Message},
		{sm.GetRandomPasswordInput{PasswordLength: aws.Int64(0)}, "ValidationException", "1 validation error detected: Value '0' at 'passwordLength' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4097)}, "ValidationException", "1 validation error detected: Value '4097' at 'passwordLength' failed to satisfy constraint: Member must have value less than or equal to 4096"},
		{sm.GetRandomPasswordInput{ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludeNumbers: yes, ExcludePunctuation: yes}, "InvalidParameterException", errNoneIn.Message},
		{sm.GetRandomPasswordInput{ExcludeCharacters: aws.String(lower + upper + digits + punctuation)}, "InvalidParameterException", errNoneIn.Message},
	} {
		_, err := c.GetRandomPassword(t.Context(), &tt.in)
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != tt.code || e.ErrorMessage() != tt.message {
			t.Errorf("%v, want %s", err, tt.message)
		}
	}
	_, err := client(t, "AKIAUSER000000000000").GetRandomPassword(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "AccessDeniedException: User: arn:aws:iam::123456789012:user/bob is not authorized to perform: secretsmanager:GetRandomPassword on resource: *") {
		t.Error(err)
	}
	if _, err := c.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("s")}); err == nil || !strings.Contains(err.Error(), "UnknownOperationException") {
		t.Error(err)
	}
}

// Each character comes as often as any other: with 94 of them, a byte taken
// modulo would draw the first 68 half as often again as the rest.
func TestUniform(t *testing.T) {
	const n = 94 * 4000
	p := make([]byte, n)
	all := []byte(lower + upper + digits + punctuation)
	draw(p, all)
	count := map[byte]int{}
	for _, c := range p {
		count[c]++
	}
	var chi float64
	for _, c := range all {
		d := float64(count[c]) - 4000
		chi += d * d / 4000
	}
	// 93 degrees of freedom: above 200 once in 10^9 runs. The bias gives 10,000.
	if chi > 200 || len(count) != 94 {
		t.Errorf("chi² is %.0f over %d characters", chi, len(count))
	}
}
