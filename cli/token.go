package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/dialects/etlworks"
)

type tokenCmd struct {
	Dir     string        `arg:"" optional:"" default:"." help:"Node folder."`
	Profile string        `help:"Which <profile>-secrets.json to read." default:"test"`
	User    string        `help:"Who the token is for." default:"administrator"`
	Role    string        `help:"What its holder may do; administrator opens the API of webhooks." default:"administrator"`
	Life    time.Duration `help:"How long it lives, 24h at most." default:"10m"`
}

// Run prints a token for the Etlworks API of the node, signed with the node's
// secret.
func (c *tokenCmd) Run(_ context.Context, s *stdio) error {
	cfg, finds := load([]string{c.Dir}, c.Profile)
	if finds.HasErrors() {
		printFindings(s, finds, cfg.Files)
		return failed(nil)
	}
	secret, ok := cfg.Secrets.Lookup("", etlworks.AdminSecret)
	if !ok {
		return usage("the node has no secret %q: put one among its secrets, at random and 32 bytes long at least", etlworks.AdminSecret)
	}
	token, err := etlworks.NewToken(secret, c.User, c.Role, time.Now(), c.Life)
	if err != nil {
		return usage("%w", err)
	}
	_, err = fmt.Fprintln(s.out, token)
	return err
}
