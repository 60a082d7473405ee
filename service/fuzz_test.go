package service

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
	"github.com/farhold/farhold/wire/sigv4"
)

// Whatever comes without credentials is refused, in a protocol's own words,
// before anything is performed, and nothing falls over.
func FuzzDoor(f *testing.F) {
	performed := false
	op := Op("Encrypt", "kms:Encrypt", On[kmsshapes.EncryptRequest](keyARN), func(context.Context, *Call, *kmsshapes.EncryptRequest) (*kmsshapes.EncryptResponse, error) {
		performed = true
		return nil, nil
	})
	d, err := New(Service{
		Name: "kms", Protocols: []Protocol{Query, JSON11, CBOR}, Target: "TrentService", Version: "2014-11-01", Space: "urn:kms", Operations: []Operation{op},
	}, Options{Region: "eu-west-1", Verifier: &sigv4.Verifier{Credentials: keys{}, Services: []string{"kms"}}, Decider: &access.Decider{Directory: directory{}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/", "", "TrentService.Encrypt", "application/x-amz-json-1.1", "", `{"KeyId":"k"}`, "")
	f.Add("POST", "/", "Action=Encrypt&Version=2014-11-01", "", "application/x-www-form-urlencoded", "gzip", "KeyId=k", "AWS4-HMAC-SHA256 Credential=AKIAROOT000000000000/20261121/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("POST", "/service/TrentService/operation/Encrypt", "", "", "application/cbor", "", "\xa0", "")
	f.Fuzz(func(t *testing.T, method, path, query, target, contentType, encoding, body, authorization string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		for name, value := range map[string]string{"X-Amz-Target": target, "Content-Type": contentType, "Content-Encoding": encoding, "Authorization": authorization} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if strings.Contains(path, "/service/") {
			r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		b, _ := io.ReadAll(w.Body)
		if performed || w.Code < 400 || w.Code >= 500 || len(b) == 0 {
			t.Fatalf("%d %q, performed %v", w.Code, b, performed)
		}
	})
}
