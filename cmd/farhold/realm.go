package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/realm"
)

func newRealmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "realm",
		Short: "Set up a realm of regions that run as processes of their own",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRealmInitCommand(), newRealmAddCommand(), newRealmKeyCommand(), newRealmAccountCommand(), newRealmPromoteCommand())
	return cmd
}

// addRegionFlags are the flags that describe a region.
func addRegionFlags(cmd *cobra.Command, n *config.NewRegion) {
	f := cmd.Flags()
	f.StringVar(&n.Listen, "listen", "127.0.0.1:9000", "public address, host:port")
	f.StringVar(&n.Peer, "peer", "127.0.0.1:9100", "address of the peer door, host:port")
	f.StringVar(&n.Endpoint, "endpoint", "", "host:port under which clients reach it (default: --listen)")
	f.StringVar(&n.PeerAt, "peer-at", "", "host:port under which other regions reach its peer door (default: --peer)")
	f.BoolVar(&n.TLS, "tls", false, "make a certificate for the public door, under an authority at DIR/ca.pem")
	f.BoolVar(&n.Insecure, "insecure-http", false, "speak plain HTTP although the address is not loopback")
	f.StringSliceVar(&n.Hosts, "host", nil, "further base host names for virtual-hosted style, and for the certificate")
}

func newRealmInitCommand() *cobra.Command {
	var home config.NewRegion
	var name string
	var more []string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a realm: its authority, its home region, and more regions on this machine",
		Long: `Make a realm in DIR: the authority that says which region is which, the root
credentials, the table of regions, and a folder for each region that can be
carried to its machine as it stands. Each of --regions gets the ports after
those of the region before it.

Root credentials come from FARHOLD_ROOT_ACCESS_KEY and FARHOLD_ROOT_SECRET_KEY,
or are made and printed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[0]
			root, given, err := config.RootFromEnv(os.Getenv)
			if err != nil {
				return err
			}
			if !given {
				if root, err = config.NewCredentials(); err != nil {
					return err
				}
			}
			layout := config.Layout{Dir: dir}
			r, err := layout.Init(name, home, root, time.Now())
			if err != nil {
				return err
			}
			next := home
			for _, region := range more {
				next.Name, next.Endpoint, next.PeerAt = region, "", ""
				if next.Listen, err = nextPort(next.Listen); err != nil {
					return err
				}
				if next.Peer, err = nextPort(next.Peer); err != nil {
					return err
				}
				if r, err = layout.AddRegion(next, time.Now()); err != nil {
					return err
				}
			}
			printRealm(cmd.OutOrStdout(), dir, r, r.Regions, home.TLS)
			if !given {
				fmt.Fprintf(cmd.OutOrStdout(), "\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", root.AccessKey, root.SecretKey)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "farhold", "name of the realm")
	cmd.Flags().StringVar(&home.Name, "home", "us-east-1", "name of the home region")
	cmd.Flags().StringSliceVar(&more, "regions", nil, "further regions, on this machine")
	addRegionFlags(cmd, &home)
	return cmd
}

func newRealmAddCommand() *cobra.Command {
	var n config.NewRegion
	var dir string
	cmd := &cobra.Command{
		Use:   "add-region NAME",
		Short: "Add a region to a realm",
		Long: `Add a region to the realm in DIR: its peer certificate, its files, and its line
in the table of regions. A home region that runs on DIR notices within seconds
and tells the others; carry DIR/HOME/realm.yaml to a home that runs elsewhere.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			r, err := config.Layout{Dir: dir}.AddRegion(n, time.Now())
			if err != nil {
				return err
			}
			printRealm(cmd.OutOrStdout(), dir, r, r.Regions[len(r.Regions)-1:], n.TLS)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "folder of the realm, as given to farhold realm init")
	addRegionFlags(cmd, &n)
	return cmd
}

// printRealm tells how to start regions.
func printRealm(w io.Writer, dir string, r *config.Realm, regions []realm.RegionInfo, tls bool) {
	fmt.Fprintf(w, "Realm %s, account %s, home %s. Start:\n\n", r.Name, r.Account, r.Home)
	for _, i := range regions {
		fmt.Fprintf(w, "  farhold serve --config %s    # %s\n", filepath.Join(dir, i.Name, config.FileRegion), i.Endpoint)
	}
	if tls {
		fmt.Fprintf(w, "\nexport AWS_CA_BUNDLE=%s\n", filepath.Join(dir, config.FileCA))
	}
}

// nextPort gives an address with the next port.
func nextPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n >= 65535 {
		return "", fmt.Errorf("%s: there is no port after that", address)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1)), nil
}
