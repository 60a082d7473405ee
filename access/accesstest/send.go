package accesstest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"testing"
)

// Send gives a Matrix.Send that sends requests over HTTP, and reads the code of
// a refusal out of its body with one of the functions below. An answer that
// can't be read fails the test.
func Send(code func(body []byte) (string, error)) func(testing.TB, *http.Request) Answer {
	return func(t testing.TB, r *http.Request) Answer {
		t.Helper()
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		a := Answer{Status: res.StatusCode, Body: string(body)}
		if a.Status < 400 || len(body) == 0 {
			return a
		}
		if a.Code, err = code(body); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return a
	}
}

// XMLCode reads the code of an error as the Query protocol and S3 Control have
// it: in an ErrorResponse.
func XMLCode(body []byte) (string, error) {
	var e struct {
		XMLName struct{} `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
	}
	if err := xml.Unmarshal(body, &e); err != nil {
		return "", err
	}
	return e.Code, known(e.Code)
}

// JSONCode reads the code of an error as the JSON protocols have it.
func JSONCode(body []byte) (string, error) {
	var e struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return "", err
	}
	return e.Type, known(e.Type)
}

func known(code string) error {
	if code == "" {
		return errors.New("an error without a code")
	}
	return nil
}
