package service

import (
	"net/http"
	"strconv"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/awsjson"
	"github.com/farhold/farhold/wire/query"
	"github.com/farhold/farhold/wire/rpccbor"
)

// answer is what goes out.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func decodeJSON(body []byte, in any) error { return awsjson.Decode(body, in) }

// headers begins the headers of an answer of x's protocol.
func (x *exchange) headers() http.Header {
	h := http.Header{"X-Amzn-Requestid": {x.id}}
	switch x.proto {
	case Query:
		h.Set("Content-Type", "text/xml")
	case RESTXML:
		h.Set("Content-Type", "application/xml")
		h.Set("X-Amz-Request-Id", x.id)
		h.Set("X-Amz-Id-2", x.id)
	case CBOR:
		h.Set("Content-Type", rpccbor.ContentType)
		h.Set("Smithy-Protocol", rpccbor.Protocol)
	default:
		version := "1.1"
		if x.json10 {
			version = "1.0"
		}
		h.Set("Content-Type", "application/x-amz-json-"+version)
	}
	return h
}

// answer gives the answer of an operation that was performed.
func (x *exchange) answer() (a answer, err error) {
	a = answer{status: http.StatusOK, header: x.headers()}
	switch x.proto {
	case Query:
		a.body = query.Encode(x.door.service.Space, x.op.Name, x.out, x.id)
	case RESTXML:
		return a, x.answerREST(&a)
	case CBOR:
		a.body, err = x.door.cbor.Encode(x.out)
	default:
		// An operation without an answer has no body, and clients read none.
		if x.out != nil && !unit(x.out) {
			a.body = awsjson.Encode(x.out)
		}
	}
	return a, err
}

// refusal gives the answer for an error.
func (x *exchange) refusal(e *awserr.Error) answer {
	a := answer{status: e.Status, header: x.headers()}
	for _, h := range e.Headers {
		a.header.Set(h.Name, h.Value)
	}
	switch x.proto {
	case Query:
		a.body = query.EncodeError(x.door.service.Space, query.Fault(e.Status), e.Code, e.Message, x.id)
		return a
	case RESTXML:
		a.body = x.errorREST(e)
		return a
	case CBOR:
		b, err := x.door.cbor.EncodeError(e.Code, e.Message)
		if err != nil { // two strings: there is nothing that could fail
			x.door.opt.Log.Error("an error can't be written", "error", err)
		}
		a.body = b
	default:
		a.body = awsjson.EncodeError(e.Code, e.Message)
	}
	if x.r.Header.Get("X-Amzn-Query-Mode") == "true" {
		code := e.Code
		if c := x.door.service.QueryErrors[code]; c != "" {
			code = c
		}
		a.header.Set("X-Amzn-Query-Error", code+";"+query.Fault(e.Status))
	}
	return a
}

// send writes the answer and gives the length of its body.
func (a *answer) send(w http.ResponseWriter) int64 {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	n, _ := w.Write(a.body) // a client that has gone needs no answer
	return int64(n)
}
