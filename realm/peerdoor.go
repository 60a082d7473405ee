package realm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// PeerMux holds what a region's peer door serves.
type PeerMux struct{ mux *http.ServeMux }

// NewPeerMux makes an empty one.
func NewPeerMux() *PeerMux { return &PeerMux{mux: http.NewServeMux()} }

type fromKey struct{}

// Handle mounts a handler under a pattern as http.ServeMux has them, such as
// "POST /replication/v1/". fromRegion is the region that asks, as its
// certificate says. Mount everything before the door opens.
func (m *PeerMux) Handle(pattern string, h func(w http.ResponseWriter, r *http.Request, fromRegion string)) {
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		from, _ := r.Context().Value(fromKey{}).(string)
		h(w, r, from)
	})
}

// ServePeer serves a request of a region that is known. PeerServer calls it;
// so does a test that carries requests from region to region itself.
func (m *PeerMux) ServePeer(w http.ResponseWriter, r *http.Request, fromRegion string) {
	m.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), fromKey{}, fromRegion)))
}

// PeerServer is a region's peer door: HTTP/2 over TLS 1.3 for callers whose
// certificate speaks for a region of the realm.
type PeerServer struct {
	id  PeerIdentity
	srv *http.Server
	end context.CancelFunc
}

// NewPeerServer makes a peer door. log gets what the connections complain of.
func NewPeerServer(id PeerIdentity, mux *PeerMux, log *slog.Logger) *PeerServer {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	ctx, cancel := context.WithCancel(context.Background())
	s := &PeerServer{id: id, end: cancel}
	s.srv = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, err := regionOf(r.TLS.PeerCertificates[0], id.Realm)
			if err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			mux.ServePeer(w, r, from)
		}),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			NextProtos: []string{"h2"},
			ClientAuth: tls.RequireAnyClientCert,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return id.Pair.Get(), nil
			},
			VerifyConnection: func(c tls.ConnectionState) error {
				_, err := verify(c.PeerCertificates, id.Roots, id.Realm, x509.ExtKeyUsageClientAuth)
				return err
			},
		},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		Protocols:         &protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          peerStreamsMax,
			MaxReceiveBufferPerStream:     peerStreamWindow,
			MaxReceiveBufferPerConnection: peerConnWindow,
			MaxReadFrameSize:              peerFrameMax,
			SendPingTimeout:               peerPingAfter,
			PingTimeout:                   peerPingTimeout,
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves the listener until Shutdown.
func (s *PeerServer) Serve(l net.Listener) error {
	err := s.srv.ServeTLS(l, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops taking requests, gives those under way until ctx ends, then
// cancels their contexts and closes what is left.
func (s *PeerServer) Shutdown(ctx context.Context) error {
	err := s.srv.Shutdown(ctx)
	s.end()
	return errors.Join(ignoreDeadline(err), s.srv.Close())
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
