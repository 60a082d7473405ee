package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// newBenchCommand makes "farhold bench" with all that it can measure.
func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure any S3 endpoint, and replication between two",
		Long: `Measure any S3 endpoint, and replication between two.

The client is a closed loop per --clients, each on a connection of its own. It
is cheap enough to share a machine with what it measures; reports say what it
and, with --server-pid, the server spent per operation, and how busy others
kept the machine.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newBenchWorkloadCommand(bench.Put, "Put new objects"),
		newBenchWorkloadCommand(bench.Get, "Get whole objects, at random"),
		newBenchWorkloadCommand(bench.Head, "Ask for the headers of objects, at random"),
		newBenchWorkloadCommand(bench.List, "List pages of 1,000 entries over several shapes of key space"),
		newBenchWorkloadCommand(bench.Delete, "Delete objects, each once"),
		newBenchWorkloadCommand(bench.Mixed, "Get, head, put and delete in given shares"),
		newBenchReplicationCommand(),
		newBenchHandlerCommand(),
		newBenchHandlerServeCommand(),
		newBenchDiskCommand(),
	)
	return cmd
}

// benchInterruptible gives a context that ends with SIGINT or SIGTERM, upon
// which a run is cut short and reports what it has.
func benchInterruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// benchSize is a flag of a number of bytes: 4096, 4KiB, 64MiB, 1GB.
type benchSize int64

// Set reads a size with an optional decimal or binary unit.
func (s *benchSize) Set(text string) error {
	units := []struct {
		name  string
		bytes int64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
	}
	number, unit := text, int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is no size such as 4096, 4KiB or 64MiB", text)
	}
	*s = benchSize(n * unit)
	return nil
}

// String writes the size with the largest binary unit that divides it.
func (s *benchSize) String() string {
	n, units := int64(*s), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; n > 0 && n%1024 == 0 && i < len(units)-1; i++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// Type names the flag's kind in usage texts.
func (s *benchSize) Type() string { return "size" }

// benchAccess are the flags on how an endpoint is reached.
type benchAccess struct {
	accessKey, secretKey, sessionToken string
	tlsCA                              string
	insecure, unsigned                 bool
	headers                            []string
	timeout                            time.Duration
}

func (a *benchAccess) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.accessKey, "access-key", "", "access key (default $AWS_ACCESS_KEY_ID)")
	f.StringVar(&a.secretKey, "secret-key", "", "secret key (default $AWS_SECRET_ACCESS_KEY)")
	f.StringVar(&a.sessionToken, "session-token", "", "session token (default $AWS_SESSION_TOKEN)")
	f.StringVar(&a.tlsCA, "tls-ca", "", "`FILE` of certificates that verify https endpoints (default $AWS_CA_BUNDLE, else the system's)")
	f.BoolVar(&a.insecure, "insecure", false, "accept any certificate")
	f.BoolVar(&a.unsigned, "unsigned-payload", false, "send UNSIGNED-PAYLOAD instead of the SHA-256 of bodies")
	f.StringArrayVar(&a.headers, "header", nil, "send this unsigned `'Name: value'` with every request; may be repeated")
	f.DurationVar(&a.timeout, "timeout", time.Minute, "time that one request may take")
}

// target makes a Target of the flags, the environment and the given place.
func (a *benchAccess) target(endpoints []string, region, bucket string) (bench.Target, error) {
	t := bench.Target{
		Endpoints: endpoints, Region: region, Bucket: bucket, Insecure: a.insecure, UnsignedPayload: a.unsigned,
		Headers: a.headers, Timeout: a.timeout,
		AccessKey: a.accessKey, SecretKey: a.secretKey, SessionToken: a.sessionToken,
	}
	if t.AccessKey == "" && t.SecretKey == "" {
		t.AccessKey, t.SecretKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
		if t.SessionToken == "" {
			t.SessionToken = os.Getenv("AWS_SESSION_TOKEN")
		}
	}
	file := benchOr(a.tlsCA, os.Getenv("AWS_CA_BUNDLE"))
	if file == "" {
		return t, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return t, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return t, fmt.Errorf("%s holds no certificate", file)
	}
	return t, nil
}

// benchOr gives the first text that isn't empty.
func benchOr(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// benchEndpoints reads the value of --endpoint, or of the environment.
func benchEndpoints(flag []string) ([]string, error) {
	if len(flag) > 0 {
		return flag, nil
	}
	if e := benchOr(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")); e != "" {
		return []string{e}, nil
	}
	return nil, errors.New("--endpoint is required where $AWS_ENDPOINT_URL is not set")
}

// benchRegion gives the flag's value, the environment's, or us-east-1.
func benchRegion(flag string) string {
	return benchOr(flag, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
}
