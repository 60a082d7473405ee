package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/server"
)

func newServeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run one region",
		Long: `Run one region, as FILE describes it; farhold realm init writes such files.

The region's key comes from FARHOLD_REGION_KEY, or from the file that the
configuration names, or is made once and kept in the data folder. SIGTERM stops
accepting, lets requests under way end, and exits 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return errors.New("--config is needed")
			}
			return runServe(cmd, file)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the region's file, such as us-east-1/farhold.yaml")
	return cmd
}

func runServe(cmd *cobra.Command, file string) error {
	log, err := newLog(cmd)
	if err != nil {
		return err
	}
	cfg, err := config.LoadRegion(file, os.Getenv)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	p, err := server.Serve(ctx, *cfg, server.Parts{Log: log})
	if err != nil {
		return err
	}
	log.Info("ready", "region", cfg.Region, "realm", cfg.Realm.Name, "account", p.Account, "endpoints", p.Endpoints(), "peer", p.Regions[0].PeerAddress())
	<-ctx.Done()
	log.Info("stopping", "region", cfg.Region)
	return p.Close(context.Background())
}
