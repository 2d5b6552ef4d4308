package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// outpost is Hookdeck's, with Postgres for its log, Redis for what it knows of
// receivers and RabbitMQ for events that are on their way.
type outpost struct{ standard }

func (*outpost) start(ctx context.Context, o options, b *box, hook string) (t target, err error) {
	pg, err := b.postgres(ctx, o)
	if err != nil {
		return t, err
	}
	// Acknowledged events are with the broker, so Redis flushes as its own
	// deployment files have it.
	rd, err := b.redis(ctx, o, "everysec")
	if err != nil {
		return t, err
	}
	mq, err := b.rabbit(ctx, o)
	if err != nil {
		return t, err
	}
	port, err := freePort()
	if err != nil {
		return t, err
	}
	at := strconv.Itoa(o.concurrent)
	env := []string{"API_PORT=" + strconv.Itoa(port), "API_KEY=" + apiKey, "API_JWT_SECRET=" + apiKey,
		"AES_ENCRYPTION_SECRET=0123456789abcdef0123456789abcdef", "TOPICS=order.paid",
		"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + strconv.Itoa(rd),
		fmt.Sprintf("POSTGRES_URL=postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", pg),
		fmt.Sprintf("RABBITMQ_SERVER_URL=amqp://guest:guest@127.0.0.1:%d", mq),
		"DISABLE_TELEMETRY=true", "LOG_LEVEL=warn", "GIN_MODE=release",
		"DESTINATIONS_WEBHOOK_MODE=standard",
		// One at a time is the default of these.
		"PUBLISH_MAX_CONCURRENCY=" + at, "DELIVERY_MAX_CONCURRENCY=" + at, "LOG_MAX_CONCURRENCY=" + at,
		"LOG_BATCH_THRESHOLD_SECONDS=1"} // so that a round's log is written within the round
	if _, err := b.do(b.command(env, o.outpost, "migrate", "apply", "--yes")); err != nil {
		return t, err
	}
	if err := b.run(itself, "outpost", b.command(env, o.outpost, "serve")); err != nil {
		return t, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d/api/v1", port)
	if err := answering(ctx, base+"/healthz"); err != nil {
		return t, err
	}
	auth := "Bearer " + apiKey
	if err := call(ctx, http.MethodPut, base+"/tenants/bench", auth, object{}, nil); err != nil {
		return t, err
	}
	err = call(ctx, http.MethodPost, base+"/tenants/bench/destinations", auth, object{"type": "webhook", "topics": []string{"order.paid"},
		"config": object{"url": hook}, "credentials": object{"secret": secret}}, nil)
	return target{base + "/publish", jsonHeader(auth)}, err
}

func (*outpost) envelope(id string, event []byte) []byte {
	return fmt.Appendf(nil, `{"id":%q,"tenant_id":"bench","topic":"order.paid","data":%s}`, id, event)
}
