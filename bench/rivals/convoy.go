package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// convoy is Frain's, with Postgres for what it keeps and Redis for its queue, in
// two processes: one for its API, one that delivers.
type convoy struct{ endpoint string }

func (c *convoy) start(ctx context.Context, o options, b *box, hook string) (t target, err error) {
	pg, err := b.postgres(ctx, o)
	if err != nil {
		return t, err
	}
	rd, err := b.redis(ctx, o, o.redisFlush)
	if err != nil {
		return t, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return t, err
	}
	env := convoyEnv(pg, rd, ports)
	if _, err := b.do(b.command(env, o.convoy, "migrate", "up")); err != nil {
		return t, err
	}
	said, err := b.do(b.command(env, o.convoy, "bootstrap", "--email=bench@example.com", "--with-api-key", "--format=json"))
	if err != nil {
		return t, err
	}
	admin, err := readAdmin(said)
	if err != nil {
		return t, err
	}
	if err := b.run(itself, "convoy-server", b.command(env, o.convoy, "server")); err != nil {
		return t, err
	}
	if err := b.run(itself, "convoy-agent", b.command(env, o.convoy, "agent")); err != nil {
		return t, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	if err := answering(ctx, base+"/healthz"); err != nil {
		return t, err
	}
	return c.setUp(ctx, base, admin.Organisation, admin.Key, hook)
}

// convoyAdmin is what "convoy bootstrap" prints of the user it has made.
type convoyAdmin struct {
	Organisation string `json:"organisation_id"`
	Key          string `json:"api_key"`
}

// readAdmin finds the user among the lines of the log, which are objects too.
func readAdmin(said []byte) (a convoyAdmin, err error) {
	for d := json.NewDecoder(bytes.NewReader(said)); a.Key == ""; {
		if err := d.Decode(&a); err != nil {
			return a, fmt.Errorf("bootstrap printed no key: %w", err)
		}
	}
	return a, nil
}

func convoyEnv(pg, rd int, ports []int) []string {
	nowhere := "http://127.0.0.1:9" // it calls its maker for licences and accounts
	return []string{"CONVOY_DB_HOST=127.0.0.1", "CONVOY_DB_PORT=" + strconv.Itoa(pg), "CONVOY_DB_USERNAME=bench", "CONVOY_DB_PASSWORD=none",
		"CONVOY_DB_DATABASE=postgres", "CONVOY_REDIS_HOST=127.0.0.1", "CONVOY_REDIS_PORT=" + strconv.Itoa(rd),
		"PORT=" + strconv.Itoa(ports[0]), "AGENT_PORT=" + strconv.Itoa(ports[1]),
		"CONVOY_JWT_SECRET=" + apiKey, "CONVOY_JWT_REFRESH_SECRET=" + apiKey + "-too",
		"CONVOY_ANALYTICS_ENABLED=false", "CONVOY_LOGGER_LEVEL=error",
		"CONVOY_LICENSE_SERVICE_HOST=" + nowhere, "CONVOY_BILLING_URL=" + nowhere, "CONVOY_SSO_SERVICE_HOST=" + nowhere}
}

// setUp makes a project and in it an endpoint, without the limit of 50 events a
// second that projects have unless told otherwise.
func (c *convoy) setUp(ctx context.Context, base, organisation, key, hook string) (t target, err error) {
	var project struct {
		Data struct {
			Key     struct{ Key string } `json:"api_key"`
			Project struct{ UID string }
		}
	}
	limit := object{"count": 1000000, "duration": 60}
	err = call(ctx, http.MethodPost, base+"/api/v1/projects?orgID="+organisation, "Bearer "+key,
		object{"name": "bench", "type": "outgoing", "config": object{"ratelimit": limit,
			"signature": object{"header": "X-Convoy-Signature", "versions": []object{{"hash": "SHA256", "encoding": "hex"}}}}}, &project)
	if err != nil {
		return t, err
	}
	auth := "Bearer " + project.Data.Key.Key
	base += "/api/v1/projects/" + project.Data.Project.UID
	var endpoint struct{ Data struct{ UID string } }
	err = call(ctx, http.MethodPost, base+"/endpoints", auth, object{"name": "bench", "url": hook, "secret": secret,
		"advanced_signatures": false, "rate_limit": 0, "support_email": "bench@example.com"}, &endpoint)
	if err != nil {
		return t, err
	}
	c.endpoint = endpoint.Data.UID
	err = call(ctx, http.MethodPost, base+"/subscriptions", auth, object{"name": "bench", "endpoint_id": c.endpoint,
		"filter_config": object{"event_types": []string{"order.paid"}}}, nil)
	return target{base + "/events", jsonHeader(auth)}, err
}

func (c *convoy) envelope(id string, event []byte) []byte {
	return fmt.Appendf(nil, `{"endpoint_id":%q,"event_type":"order.paid","idempotency_key":%q,"data":%s}`, c.endpoint, id, event)
}

func (*convoy) verify(h http.Header, body []byte) error {
	return verifyHex(h.Get("X-Convoy-Signature"), body)
}
