package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// svix is Svix's server, with Postgres for what it keeps and Redis for its queue.
// It is written after its documentation and has never been run.
type svix struct{ standard }

func (*svix) start(ctx context.Context, o options, b *box, hook string) (t target, err error) {
	pg, err := b.postgres(ctx, o)
	if err != nil {
		return t, err
	}
	rd, err := b.redis(ctx, o, o.redisFlush)
	if err != nil {
		return t, err
	}
	port, err := freePort()
	if err != nil {
		return t, err
	}
	env := []string{fmt.Sprintf("SVIX_LISTEN_ADDRESS=127.0.0.1:%d", port), "SVIX_JWT_SECRET=" + apiKey, "SVIX_LOG_LEVEL=warn",
		fmt.Sprintf("SVIX_DB_DSN=postgresql://bench@127.0.0.1:%d/postgres", pg), "SVIX_DB_POOL_MAX_SIZE=100",
		"SVIX_REDIS_DSN=redis://127.0.0.1:" + strconv.Itoa(rd), "SVIX_QUEUE_TYPE=redis", "SVIX_CACHE_TYPE=memory",
		"SVIX_WHITELABEL_HEADERS=true", `SVIX_WHITELIST_SUBNETS=["127.0.0.0/8"]`}
	if _, err := b.do(b.command(env, o.svix, "migrate")); err != nil {
		return t, err
	}
	said, err := b.do(b.command(env, o.svix, "jwt", "generate"))
	if err != nil {
		return t, err
	}
	if err := b.run(itself, "svix", b.command(env, o.svix)); err != nil {
		return t, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d/api/v1", port)
	if err := answering(ctx, base+"/health"); err != nil {
		return t, err
	}
	words := strings.Fields(string(said)) // the token is the last
	if len(words) == 0 {
		return t, errors.New("jwt generate printed nothing")
	}
	auth := "Bearer " + words[len(words)-1]
	if err := call(ctx, http.MethodPost, base+"/app", auth, object{"name": "bench", "uid": "bench"}, nil); err != nil {
		return t, err
	}
	err = call(ctx, http.MethodPost, base+"/app/bench/endpoint", auth, object{"url": hook, "secret": secret}, nil)
	return target{base + "/app/bench/msg", jsonHeader(auth)}, err
}

func (*svix) envelope(id string, event []byte) []byte {
	return fmt.Appendf(nil, `{"eventType":"order.paid","eventId":%q,"payload":%s}`, id, event)
}
