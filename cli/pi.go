package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

type piCmd struct {
	Command piCommandCmd `cmd:"" help:"Run a command of PIPEFORCE on a served node."`
}

// piCommandCmd is `pi command` of PIPEFORCE.
type piCommandCmd struct {
	Name  string   `arg:"" help:"Name of the command, for example webhook.put."`
	Pairs []string `arg:"" optional:"" help:"Parameters, each as name=value."`
	Dir   string   `help:"Node folder whose served node is asked." default:"."`
	Node  string   `help:"Address of a served node, for example http://127.0.0.1:9042; instead of a folder." placeholder:"URL"`
	Data  string   `help:"Folder of the datasets; by default .data in the node folder."`
	Token string   `help:"Token of the user to be, if the node asks for one." env:"SLUICE_PI_TOKEN"`
}

// Run calls the command and prints its result.
func (c *piCommandCmd) Run(ctx context.Context, s *stdio) error {
	form := url.Values{}
	for _, pair := range c.Pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usage("a parameter is name=value, not %q", pair)
		}
		form.Add(name, value)
	}
	node, err := c.address()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, node+"/api/v3/command/"+url.PathEscape(c.Name), strings.NewReader(form.Encode()))
	if err != nil {
		return usage("--node %q: %w", node, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return silent(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return silent(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return failed(errors.New(piError(resp.Status, body)))
	}
	return piPrint(s.out, body)
}

// address is the node's, given or found in its folder.
func (c *piCommandCmd) address() (string, error) {
	if c.Node != "" {
		return baseOf(c.Node)
	}
	flags := nodeFlags{Dir: c.Dir, Data: c.Data}
	address, err := os.ReadFile(filepath.Join(flags.dataDir(), servingFile))
	if err != nil {
		return "", usage("no node serves %s: start one with sluice serve, or give its address with --node", c.Dir)
	}
	return strings.TrimSpace(string(address)), nil
}

// piError is what a node answered instead of a result.
func piError(status string, body []byte) string {
	var e struct {
		Value struct{ Message string } `json:"value"`
	}
	if json.Unmarshal(body, &e) == nil && e.Value.Message != "" {
		return status + ": " + e.Value.Message
	}
	return "the node answers " + status
}

func piPrint(w io.Writer, body []byte) error {
	var out bytes.Buffer
	if json.Indent(&out, bytes.TrimSpace(body), "", "  ") != nil {
		out.Write(body)
	}
	_, err := fmt.Fprintln(w, out.String())
	return err
}
