// Command tour is the outer world of the example: a mail server that prints what
// it gets, and a caller of webhooks.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"

	"github.com/sluiceio/sluice/examples/pipeforce/mailsim"
)

func main() {
	node := flag.String("node", "http://127.0.0.1:9042", "address of the node")
	listen := flag.String("smtp", "127.0.0.1:2525", "address of the mail server")
	leads := flag.Int("leads", 3, "how many leads to send")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *node, *listen, *leads); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, node, listen string, leads int) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	go func() {
		err := mailsim.Serve(ln, func(m mailsim.Mail) {
			fmt.Printf("mail to %s: %s\n    %s\n", strings.Join(m.To, ", "), m.Subject, m.Text)
		})
		if ctx.Err() == nil && err != nil {
			fmt.Fprintln(os.Stderr, "tour:", err)
		}
	}()
	for _, key := range []string{"webhook.lead.created", "webhook.lead.scored"} {
		hook, err := makeHook(ctx, node, key)
		if err != nil {
			return err
		}
		fmt.Println(key, "is called at", hook)
		for i := range leads {
			body := fmt.Sprintf(`{"name":"Lead %d","email":"lead%d@example.com"}`, i+1, i+1)
			answer, err := post(ctx, hook+"&wait=true", "application/json", body)
			if err != nil {
				return err
			}
			fmt.Println("answer:", answer)
		}
	}
	fmt.Println("more mails are printed as they come; end with control-C")
	<-ctx.Done()
	return nil
}

// makeHook makes a webhook and returns its address.
func makeHook(ctx context.Context, node, key string) (string, error) {
	answer, err := post(ctx, node+"/api/v3/command/webhook.put", "application/x-www-form-urlencoded", url.Values{"eventKey": {key}}.Encode())
	if err != nil {
		return "", err
	}
	var hook struct {
		URL string `json:"webhookUrl"`
	}
	if err := json.Unmarshal([]byte(answer), &hook); err != nil || hook.URL == "" {
		return "", errors.New("webhook.put answers " + answer)
	}
	return hook.URL, nil
}

func post(ctx context.Context, to, kind, body string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(answer)), err
}
