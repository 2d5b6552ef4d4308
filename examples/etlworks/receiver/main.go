// Command receiver is the receiver of the example, to look at: it prints each
// event that it believes.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sluiceio/sluice/examples/etlworks/receiversim"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8099", "address to listen on")
	bad := flag.Int("bad-every", 0, "answer 503 to every so many requests")
	flag.Parse()
	r := &receiversim.Receiver{Secret: "an-example-secret-shared-with-the-receiver", User: "sluice", Password: "an-example-password", BadEvery: *bad,
		Heard: func(e receiversim.Event) {
			fmt.Printf("%s %s of %d: %s\n", e.EventID, e.EventType, e.EntityID, e.EntityURL)
		}}
	ln, err := net.Listen("tcp", *listen)
	if err == nil {
		fmt.Println("waiting for webhooks at http://" + ln.Addr().String() + "/hook")
		err = (&http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}).Serve(ln)
	}
	fmt.Fprintln(os.Stderr, "receiver:", err)
	os.Exit(1)
}
