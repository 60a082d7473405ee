package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/farhold/farhold/config"
)

func newRealmKeyCommand() *cobra.Command {
	var dir, use, drop string
	var add bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "See to the realm's keys, with which regions seal what is secret",
		Long: `See to it that the realm in DIR has a key, DIR/realm.key, and that every region's
folder in DIR has it too. The regions seal with it what is secret in the tables
that they share, and session tokens; carry it to regions that run elsewhere.
A region without it does not start.

To replace a key: --add puts a new one behind the others; once every region has
the file and was started anew, --seal-with lets it seal; --drop removes the old
one, after which what it sealed opens no more. The keys' IDs are printed, the
one that seals first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := config.Layout{Dir: dir}
			r, err := config.LoadRealm(filepath.Join(dir, config.FileRealm))
			if err != nil {
				return err
			}
			var ids []string
			switch {
			case add && use == "" && drop == "":
				ids, err = l.AddRealmKey(r)
			case !add && use != "" && drop == "":
				ids, err = l.SealWith(r, use)
			case !add && use == "" && drop != "":
				ids, err = l.DropRealmKey(r, drop)
			case !add && use == "" && drop == "":
				ids, err = l.EnsureRealmKey(r)
			default:
				err = errors.New("one of --add, --seal-with and --drop at a time")
			}
			for i, id := range ids {
				note := ""
				if i == 0 {
					note = "  (seals)"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", id, note)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "folder of the realm, as given to farhold realm init")
	f.BoolVar(&add, "add", false, "make a further key, which opens only")
	f.StringVar(&use, "seal-with", "", "ID of the key that seals from the next start on")
	f.StringVar(&drop, "drop", "", "ID of a key to remove")
	return cmd
}
