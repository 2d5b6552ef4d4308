package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// postgres starts a server that flushes every commit, as it does by default, and
// returns the port. Its superuser is "bench", without a password, its database
// "postgres".
func (b *box) postgres(ctx context.Context, o options) (int, error) {
	bin, err := postgresFolder(o.postgres)
	if err != nil {
		return 0, err
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	data := filepath.Join(b.dir, "postgres")
	as, err := asPostgres(data)
	if err != nil {
		return 0, err
	}
	initdb := as(b.command(nil, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=bench", "--auth=trust", "--encoding=UTF8", "--no-sync"))
	if _, err := b.do(initdb); err != nil {
		return 0, err
	}
	server := as(b.command(nil, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=400", "-c", "fsync=on", "-c", "synchronous_commit=on"))
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGINT) } // the fast way to stop
	if err := b.run(database, "postgres", server); err != nil {
		return 0, err
	}
	return port, listening(ctx, port)
}

// postgresFolder finds the server, which Debian keeps off the path.
func postgresFolder(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no initdb is found: give its folder with -postgres")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// asPostgres makes the folder of the data and has commands run as the user
// "postgres" where this program runs as root, as which the server refuses to run.
func asPostgres(data string) (func(*exec.Cmd) *exec.Cmd, error) {
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return func(c *exec.Cmd) *exec.Cmd { return c }, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, errUID := strconv.Atoi(who.Uid)
	gid, errGID := strconv.Atoi(who.Gid)
	if errUID != nil || errGID != nil {
		return nil, fmt.Errorf("the user postgres has no numbers: %s, %s", who.Uid, who.Gid)
	}
	return func(c *exec.Cmd) *exec.Cmd {
		c.Dir, c.SysProcAttr.Credential = data, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return c
	}, os.Chown(data, uid, gid)
}

// redis starts a server that keeps a log of what is written, flushed as flush
// says (appendfsync), and returns the port.
func (b *box) redis(ctx context.Context, o options, flush string) (int, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	data := filepath.Join(b.dir, "redis")
	if err := os.Mkdir(data, 0o700); err != nil {
		return 0, err
	}
	server := b.command(nil, o.redis, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", data,
		"--appendonly", "yes", "--appendfsync", flush, "--save", "", "--daemonize", "no")
	if err := b.run(cache, "redis", server); err != nil {
		return 0, err
	}
	return port, listening(ctx, port)
}

// rabbit starts a broker with a folder, ports and a port mapper of its own, and
// returns the port.
func (b *box) rabbit(ctx context.Context, o options) (int, error) {
	ports, err := freePorts(3)
	if err != nil {
		return 0, err
	}
	data := filepath.Join(b.dir, "rabbitmq")
	if err := os.Mkdir(data, 0o700); err != nil {
		return 0, err
	}
	mapper := strconv.Itoa(ports[1])
	if err := b.run(broker, "epmd", b.command(nil, o.epmd, "-port", mapper, "-address", "127.0.0.1")); err != nil {
		return 0, err
	}
	if err := listening(ctx, ports[1]); err != nil {
		return 0, err
	}
	conf, plugins := filepath.Join(data, "rabbitmq.conf"), filepath.Join(data, "enabled_plugins")
	text := fmt.Sprintf("listeners.tcp.default = 127.0.0.1:%d\nlog.file = false\nlog.console = true\nlog.console.level = warning\n", ports[0])
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(plugins, []byte("[].\n"), 0o600); err != nil {
		return 0, err
	}
	server := b.command([]string{"RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_MNESIA_BASE=" + data, "RABBITMQ_LOG_BASE=" + data,
		"RABBITMQ_CONFIG_FILE=" + conf, "RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins, "RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[2]),
		"ERL_EPMD_PORT=" + mapper, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RUNNING_UNDER_SYSTEMD=true"}, // its script becomes the broker instead of waiting for it
		o.rabbitmq)
	if err := b.run(broker, "rabbitmq", server); err != nil {
		return 0, err
	}
	return ports[0], listening(ctx, ports[0])
}
