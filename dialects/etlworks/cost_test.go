package etlworks_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dialects/etlworks"
)

// BenchmarkServeForNobody is all that the dialect costs a node of two thousand
// pipes without webhooks, once, when the node starts. It leaves no goroutine.
func BenchmarkServeForNobody(b *testing.B) {
	var all []string
	for i := range 2000 {
		all = append(all, strings.Replace(orders, `"orders"`, fmt.Sprintf(`"orders-%d"`, i), 1))
	}
	n := newNode(b, conf(all...), http.DefaultTransport)
	defer n.close()
	before := runtime.NumGoroutine()
	for b.Loop() {
		stop, err := etlworks.Dialect().Serve(b.Context(), reloading{n, n}, http.NewServeMux())
		if err != nil {
			b.Fatal(err)
		}
		if now := runtime.NumGoroutine(); now > before {
			b.Fatalf("%d goroutines more", now-before)
		}
		stop()
	}
}
