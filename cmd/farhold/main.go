// Farhold is self-hosted S3-compatible storage whose data is already somewhere
// else: regions of a realm, and replication between them as on AWS.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRootCommand().ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "farhold: "+err.Error())
		os.Exit(1)
	}
}

// newRootCommand makes the command with all its verbs.
func newRootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "farhold",
		Short:         "S3-compatible storage in several regions, with replication as on AWS",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.PersistentFlags().String("log-level", "info", "least level that is logged: debug, info, warn, error")
	cmd.PersistentFlags().String("log-format", "text", "form of the log on standard error: text, json")
	cmd.AddCommand(newDevCommand(), newServeCommand(), newRealmCommand(), newBenchCommand(), newVersionCommand())
	return cmd
}

// newLog makes the log that the flags ask for.
func newLog(cmd *cobra.Command) (*slog.Logger, error) {
	level, _ := cmd.Flags().GetString("log-level")
	format, _ := cmd.Flags().GetString("log-format")
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %s: debug, info, warn or error", level)
	}
	return logTo(cmd.ErrOrStderr(), format, l)
}

func logTo(w io.Writer, format string, level slog.Level) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("--log-format %s: text or json", format)
}

// untilSignal gives a context that ends with SIGINT or SIGTERM. A second signal
// ends the process at once.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
