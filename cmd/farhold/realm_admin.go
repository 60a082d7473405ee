package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/realm"
)

// ask puts a question to a region that runs and whose folder is in dir: to the
// named one, or else to the first that answers, home first.
func ask(ctx context.Context, dir, region string, q realm.AdminQuestion) (*realm.AdminAnswer, error) {
	_, doors, err := config.Doors(dir)
	if err != nil {
		return nil, err
	}
	defer config.CloseDoors(doors)
	var errs []error
	for _, d := range doors {
		if region != "" && d.Region != region {
			continue
		}
		// Which one answers is found out first: what changes something is put
		// once.
		if _, err := realm.Administer(ctx, d.Dialer(), d.Region, realm.AdminQuestion{Op: realm.OpStatus}); err != nil {
			errs = append(errs, err)
			continue
		}
		return realm.Administer(ctx, d.Dialer(), d.Region, q)
	}
	if region != "" && len(errs) == 0 {
		return nil, fmt.Errorf("%s: the folder of region %s is not here", dir, region)
	}
	return nil, fmt.Errorf("%s: no region answers; one has to run: %w", dir, errors.Join(errs...))
}

func newRealmAccountCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "See to the accounts of a realm, and to the policies that bind them",
		Long: `See to the accounts of a realm. A region whose folder is in DIR has to run (farhold
dev, or farhold serve); it is asked over its peer door, under its own
certificate, and home decides. DIR may also be the folder of one region.

The first account, root, was made with the realm. It manages the others, and no
organisation policy binds it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	dir := cmd.PersistentFlags().String("dir", "farhold-data", "folder of the realm, as given to farhold realm init or farhold dev")
	one := func(use, short string, do func(cmd *cobra.Command, account string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error { return do(cmd, args[0]) }}
	}
	put := func(cmd *cobra.Command, q realm.AdminQuestion) (*realm.AdminAnswer, error) {
		return ask(cmd.Context(), *dir, "", q)
	}
	resetKey := one("reset-key ACCOUNT", "Replace the access key of an account's root user, and print the new one this once", func(cmd *cobra.Command, account string) error {
		a, err := put(cmd, realm.AdminQuestion{Op: realm.OpResetKey, Account: account})
		if err != nil {
			return err
		}
		printRootKey(cmd.OutOrStdout(), a)
		return nil
	})
	resetKey.Long = `Replace the access key of an account's root user, and print the new one this
once. The old key is refused from then on, in every region that can be reached.

As on AWS, sessions that were made with the old key (GetSessionToken) last until
they end, an hour at most. If others may have the key, end them too: attach a
service control policy that denies everything where aws:TokenIssueTime is before
now (DateLessThan), and detach it after the hour.

What else was made with the key stays: look for users, access keys, roles and
policies that nobody of yours made.`
	cmd.AddCommand(
		one("create NAME", "Make an account, and print the credentials of its root user this once", func(cmd *cobra.Command, name string) error {
			a, err := put(cmd, realm.AdminQuestion{Op: realm.OpCreate, Name: name})
			if err != nil {
				return err
			}
			printRootKey(cmd.OutOrStdout(), a)
			return nil
		}),
		resetKey,
		&cobra.Command{Use: "list", Short: "List the accounts", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := put(cmd, realm.AdminQuestion{Op: realm.OpAccounts})
			if err != nil {
				return err
			}
			printAccounts(cmd.OutOrStdout(), a.Accounts)
			return nil
		}},
		one("suspend ACCOUNT", "Let nobody of an account do anything any more", func(cmd *cobra.Command, account string) error {
			_, err := put(cmd, realm.AdminQuestion{Op: realm.OpSuspend, Account: account})
			return err
		}),
		one("resume ACCOUNT", "Take a suspension back", func(cmd *cobra.Command, account string) error {
			_, err := put(cmd, realm.AdminQuestion{Op: realm.OpResume, Account: account})
			return err
		}),
	)
	for _, k := range []struct {
		kind realm.ControlKind
		name string
	}{{realm.ServiceControl, "service control policy"}, {realm.ResourceControl, "resource control policy"}} {
		cmd.AddCommand(newAttachCommand(k.kind, k.name, put), newDetachCommand(k.kind, k.name, put), newControlsCommand(k.kind, k.name, put))
	}
	return cmd
}

type putAdmin func(cmd *cobra.Command, q realm.AdminQuestion) (*realm.AdminAnswer, error)

func newAttachCommand(k realm.ControlKind, what string, put putAdmin) *cobra.Command {
	var name, file string
	cmd := &cobra.Command{
		Use:   "attach-" + string(k) + " ACCOUNT --name NAME --policy FILE",
		Short: "Attach a " + what + " to an account, in place of one of the same name",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readPolicy(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			_, err = put(cmd, realm.AdminQuestion{Op: realm.OpAttach, Account: args[0], Kind: k, Control: &realm.Control{Name: name, Document: text}})
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the policy")
	cmd.Flags().StringVar(&file, "policy", "", "file of the JSON document; - is standard input")
	cmd.MarkFlagRequired("name")
	cmd.MarkFlagRequired("policy")
	return cmd
}

// policyMax bounds a policy's file, in bytes.
const policyMax = 64 << 10

func readPolicy(in io.Reader, file string) (string, error) {
	if file != "-" {
		f, err := os.Open(strings.TrimPrefix(file, "file://"))
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, policyMax+1))
	if err == nil && len(b) > policyMax {
		err = fmt.Errorf("%s: longer than %d bytes", file, policyMax)
	}
	return string(b), err
}

func newDetachCommand(k realm.ControlKind, what string, put putAdmin) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "detach-" + string(k) + " ACCOUNT --name NAME",
		Short: "Detach a " + what + " from an account",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := put(cmd, realm.AdminQuestion{Op: realm.OpDetach, Account: args[0], Kind: k, Name: name})
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the policy")
	cmd.MarkFlagRequired("name")
	return cmd
}

func newControlsCommand(k realm.ControlKind, what string, put putAdmin) *cobra.Command {
	return &cobra.Command{
		Use:   "list-" + string(k) + "s ACCOUNT",
		Short: "Print the policies of this kind (" + what + ") that are attached to an account",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := put(cmd, realm.AdminQuestion{Op: realm.OpControls, Account: args[0], Kind: k})
			if err != nil {
				return err
			}
			for _, c := range a.Controls {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", c.Name, strings.TrimSpace(c.Document))
			}
			return nil
		},
	}
}

// printRootKey prints the key of an account's root user, as a shell takes it.
func printRootKey(w io.Writer, a *realm.AdminAnswer) {
	fmt.Fprintf(w, "Account %s, %s. Its root user's credentials, which are shown this once:\n\n", a.Accounts[0].ID, a.Accounts[0].Name)
	fmt.Fprintf(w, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", a.Key.AccessKey, a.Key.Secret)
}

func printAccounts(w io.Writer, list []realm.Account) {
	for _, a := range list {
		note := ""
		switch {
		case a.First:
			note = "  (manages the realm)"
		case a.Suspended:
			note = "  (suspended)"
		}
		fmt.Fprintf(w, "%s  %s%s\n", a.ID, a.Name, note)
	}
}

func newRealmPromoteCommand() *cobra.Command {
	var dir, region string
	var force bool
	cmd := &cobra.Command{
		Use:   "promote --region NAME",
		Short: "Make a region the home of its realm",
		Long: `Make a region the home of its realm. The region has to run, and its folder to be in
DIR (or to be DIR): it is asked over its peer door, under its own certificate.

Where the present home answers, it hands over and nothing is lost. Where it does
not, the region goes on from what it has applied; what the old home decided after
that is lost, and when it comes back it follows, and logs what it discards. The
command prints how far each region is. It refuses while another region that
answers has applied more; --force overrides that.

Everything that exists goes on working without a home: only making buckets and
changing IAM and accounts waits for one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, doors, err := config.Doors(dir)
			if err != nil {
				return err
			}
			config.CloseDoors(doors)
			if region == "" {
				if len(doors) != 1 {
					return errors.New("--region is needed: there is more than one in " + dir)
				}
				region = doors[0].Region
			}
			a, err := ask(cmd.Context(), dir, region, realm.AdminQuestion{Op: realm.OpPromote, Force: force})
			if a != nil && a.Promotion != nil {
				for _, line := range a.Promotion.Lines {
					fmt.Fprintln(cmd.OutOrStdout(), line)
				}
			}
			if err != nil {
				return err
			}
			return config.Layout{Dir: dir}.SetHome(r, a.Home)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "folder of the realm, or of the region")
	cmd.Flags().StringVar(&region, "region", "", "the region; not needed in the folder of one")
	cmd.Flags().BoolVar(&force, "force", false, "also if another region has applied more, which is then lost")
	return cmd
}
