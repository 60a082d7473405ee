package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/farhold/farhold/server"
)

func newDevCommand() *cobra.Command {
	o := server.DevOptions{}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a complete realm of several regions on this machine",
		Long: `Run a complete realm of several regions in one process, behind one address.

Each region has its own data under DIR/REGION, and they talk to each other
through their real peer doors, on loopback. Requests find their region by their
signature's scope, so an unmodified AWS CLI or SDK works with nothing but the
variables that are printed. Data survives a restart.

Root credentials come from FARHOLD_ROOT_ACCESS_KEY and FARHOLD_ROOT_SECRET_KEY,
or are made once and kept in DIR/root.yaml.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDev(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Data, "data", "farhold-data", "folder of the realm's data")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9000", "public address of all regions")
	f.StringSliceVar(&o.Regions, "regions", nil, "regions; the first of a new realm is home (default us-east-1,us-west-2,eu-west-1, or those that are there)")
	f.BoolVar(&o.TLS, "tls", false, "speak TLS, with a certificate of an authority at DIR/ca.pem")
	f.BoolVar(&o.InsecureHTTP, "insecure-http", false, "speak plain HTTP although the address is not loopback")
	f.BoolVar(&o.Strict, "aws-strict", false, "refuse what AWS refuses, also where Farhold could do it")
	f.BoolVar(&o.OpenBuckets, "open-buckets", false, "new buckets allow ACLs, public access and SSE-C, as AWS's did before April 2023")
	f.StringSliceVar(&o.Hosts, "host", nil, "further base host names for virtual-hosted style")
	return cmd
}

func runDev(cmd *cobra.Command, o server.DevOptions) error {
	log, err := newLog(cmd)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	begun := time.Now()
	p, err := server.Dev(ctx, o, server.Parts{Log: log})
	if err != nil {
		return err
	}
	printDev(cmd.OutOrStdout(), p, o, time.Since(begun))
	<-ctx.Done()
	log.Info("stopping")
	return p.Close(context.Background())
}

// printDev tells what runs, and what to paste into a shell to use it.
func printDev(w io.Writer, p *server.Process, o server.DevOptions, took time.Duration) {
	home := ""
	fmt.Fprintf(w, "Farhold is ready after %d ms: account %s\n\n", took.Milliseconds(), p.Account)
	for _, r := range p.Regions {
		note := ""
		if r.Realm().IsHome() {
			note, home = "  (home)", r.Name()
		}
		fmt.Fprintf(w, "  %-16s peer door %s%s\n", r.Name(), r.PeerAddress(), note)
	}
	fmt.Fprintf(w, "\nexport AWS_ENDPOINT_URL=%s\n", p.Endpoints()[0])
	fmt.Fprintf(w, "export AWS_ACCESS_KEY_ID=%s\n", p.Root.AccessKey)
	fmt.Fprintf(w, "export AWS_SECRET_ACCESS_KEY=%s\n", p.Root.SecretKey)
	// Clients made with botocore read the second, all others the first.
	fmt.Fprintf(w, "export AWS_REGION=%s AWS_DEFAULT_REGION=%s\n", home, home)
	if p.CAFile != "" {
		ca := p.CAFile
		if abs, err := filepath.Abs(ca); err == nil {
			ca = abs
		}
		fmt.Fprintf(w, "export AWS_CA_BUNDLE=%s\n", ca)
	}
	fmt.Fprintln(w)
}
