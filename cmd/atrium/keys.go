package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/atriumhub/atrium/internal/pki"
	"github.com/atriumhub/atrium/pkg/server"
)

// keysCommand is "atrium keys".
type keysCommand struct {
	rootDir string
	now     func() time.Time
}

func newKeysCommand() *cobra.Command {
	k := &keysCommand{rootDir: server.NewOptions().RootDir, now: time.Now}
	root := &cobra.Command{
		Use:   "keys",
		Short: "Rotate the secrets behind the tokens of service accounts",
		Long: `The keys that sign the tokens of service accounts are derived, for each workspace,
from secrets in <root-dir>/pki/token-secrets, one in a file. The last one by name
signs, all verify, and all are published. A hub that runs takes up what changes
there at once.

To rotate, add a secret, wait until the tokens of the old one have expired or been
renewed, and retire it. Hubs that share an etcd share these files.`,
		Example: `  atrium keys rotate
  atrium keys list
  atrium keys retire 4715739dec88a8c4`,
		Args: cobra.NoArgs,
	}
	root.PersistentFlags().StringVar(&k.rootDir, "root-dir", k.rootDir, "Directory for all the hub keeps.")
	root.AddCommand(
		&cobra.Command{Use: "list", Short: "List the secrets, the oldest first", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return k.list(cmd.OutOrStdout()) }},
		&cobra.Command{Use: "rotate", Short: "Add a secret, which signs from now on; tokens there are stay good", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return k.rotate(cmd.OutOrStdout()) }},
		&cobra.Command{Use: "retire ID", Short: "Remove a secret; tokens it has signed are refused from now on", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return k.retire(cmd.OutOrStdout(), args[0]) }},
	)
	return root
}

// secrets are those of a hub that was started before.
func (k *keysCommand) secrets() (pki.Secrets, error) {
	secrets := pki.TokenSecrets(filepath.Join(k.rootDir, "pki"))
	if _, err := os.Stat(secrets.Dir()); err != nil {
		if os.IsNotExist(err) {
			err = fs.ErrNotExist
		}
		return secrets, fmt.Errorf("%s: %w; name the directory of a hub with --root-dir", secrets.Dir(), err)
	}
	return secrets, nil
}

func (k *keysCommand) list(out io.Writer) error {
	secrets, err := k.secrets()
	if err != nil {
		return err
	}
	files, err := secrets.List()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%-18s%-10s%s\n", "ID", "USE", "FILE")
	for i, file := range files {
		use := "verifies"
		if i == len(files)-1 {
			use = "signs"
		}
		fmt.Fprintf(out, "%-18s%-10s%s\n", file.ID, use, filepath.Join(secrets.Dir(), file.Name))
	}
	return nil
}

func (k *keysCommand) rotate(out io.Writer) error {
	secrets, err := k.secrets()
	if err != nil {
		return err
	}
	added, err := secrets.Add(k.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Secret %s signs from now on. Tokens there are stay good until 'atrium keys retire' takes the secret they were signed with.\n", added.ID)
	return nil
}

func (k *keysCommand) retire(out io.Writer, id string) error {
	secrets, err := k.secrets()
	if err != nil {
		return err
	}
	if err := secrets.Remove(id); err != nil {
		return err
	}
	fmt.Fprintf(out, "Secret %s is retired. Tokens it has signed are refused. Secrets of type kubernetes.io/service-account-token that hold one get another when they are written the next time.\n", id)
	return nil
}
