package cli

import (
	"context"
	"errors"
)

type keysRootCmd struct {
	Rewrap keysRewrapCmd `cmd:"" help:"Wrap what is under the root key under another one."`
}

type keysRewrapCmd struct {
	To         string `name:"to" required:"" placeholder:"NAME" help:"The new root key: file:PATH, made when it is missing, or a key of a service, as --root-key."`
	Passphrase string `name:"to-passphrase-file" placeholder:"FILE" help:"File with the passphrase of the new root key file."`
}

// Help is shown by --help.
func (keysRewrapCmd) Help() string {
	return `For moving to a key service and back, for setting a passphrase, and for a new root key. It works on the data directory itself: stop the server. The rest of the keys stays as it is, so that this is done at once; and so it is no remedy against somebody who had the old root key and the epoch keys.

From then on --root-key names the new one. Keep the old one until a start with the new one has succeeded.

Examples:

    lethe keys root rewrap --to hashivault://lethe
    lethe keys root rewrap --to file:/etc/lethe/root2.key --to-passphrase-file /run/secrets/phrase`
}

func (c *keysRewrapCmd) Run(ctx context.Context, s *shell) error {
	if s.root.Client.Server != "" {
		return &usageError{err: errors.New("a root key is changed on the data directory itself: stop the server, and leave --server out")}
	}
	a, err := s.open(ctx)
	if err != nil {
		return err
	}
	same, err := a.ChangeRootKey(ctx, c.To, c.Passphrase)
	if err != nil {
		return err
	}
	p := &page{}
	with := "--root-key " + c.To
	if c.Passphrase != "" {
		with += " --root-passphrase-file " + c.Passphrase
	}
	if same {
		p.line("This is the same root key as before, and what is under it was wrapped anew by it, by its newest version where a service has several. Keep it, and name it with %s.", with)
		return p.writeTo(s.process.Stdout)
	}
	p.line("The key store is under the new root key. Name it with %s from now on.", with)
	p.line("The old one opens nothing any more. Remove it when a start with the new one has succeeded, and older backups of the keys are gone.")
	return p.writeTo(s.process.Stdout)
}
