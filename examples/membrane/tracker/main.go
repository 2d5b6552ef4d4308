// Command tracker runs the external app of the example, for trying it by hand.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/sluiceio/sluice/examples/membrane/trackersim"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9050", "address of the app")
	secret := flag.String("secret", "an-example-secret", "what it signs with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := &http.Server{Addr: *listen, Handler: &trackersim.Tracker{Secret: *secret}, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	fmt.Fprintf(os.Stderr, "the tracker listens on http://%s\n", *listen)
	if err := s.ListenAndServe(); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "tracker:", err)
		stop()
		os.Exit(1)
	}
}
