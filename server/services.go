package server

import (
	"log/slog"
	"time"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/secretsmanager"
	"github.com/farhold/farhold/wire/sigv4"
)

// openServices opens the doors of everything but S3.
func (r *Region) openServices(observe func(service string) func(string, int, int64, int64, time.Duration)) error {
	r.services = map[string]*service.Door{}
	for _, s := range []service.Service{
		r.who.iam.Service(), r.who.issuer.Service(), r.who.kms.Service(), secretsmanager.Service(), r.control.Service(),
	} {
		if s.Scope == "" {
			s.Scope = s.Name
		}
		d, err := service.New(s, service.Options{
			Region:   r.cfg.Region,
			Verifier: &sigv4.Verifier{Credentials: r.who.directory, Services: []string{s.Scope}, Now: r.clock.Now},
			Decider:  r.who.decider,
			Proxies:  r.cfg.TrustedProxies,
			Regions:  r.acceptedRegions(s.Global),
			Now:      r.clock.Now,
			Log:      r.log.With(slog.String("service", s.Name)),
			Used:     r.who.used(s.Scope),
			Observe:  observe(s.Name),
		})
		if err != nil {
			return err
		}
		r.services[s.Name] = d
	}
	return nil
}

// acceptedRegions are those whose scope a service takes: any of the realm's if
// it answers alike everywhere, else this one's.
func (r *Region) acceptedRegions(global bool) func() []string {
	if global {
		return r.realm.Regions
	}
	return nil
}
