// Package servicetest serves a service's table to tests, and has the users that
// every service must refuse.
package servicetest

import (
	"context"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/service"
)

// Serve puts a service behind its door, on a server that closes with the test.
func Serve(t testing.TB, s service.Service, o service.Options) (*service.Door, *httptest.Server) {
	t.Helper()
	door, err := service.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	return door, server
}

// Count has every operation of a service counted when it is performed, and
// gives the count. The service must not be served yet.
func Count(s service.Service) (performed func() int64) {
	n := new(atomic.Int64)
	for i := range s.Operations {
		if do := s.Operations[i].Do; do != nil {
			s.Operations[i].Do = func(ctx context.Context, c *service.Call, in any) (any, error) {
				n.Add(1)
				return do(ctx, c, in)
			}
		}
	}
	return n.Load
}
