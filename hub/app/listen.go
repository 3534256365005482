package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// keepAlive finds peers that went away without a word, also on connections that have nothing to say.
const keepAlive = 15 * time.Second

// listen opens the port, or says what to do.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	lc := net.ListenConfig{Control: userTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 3}}
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken: another hub or program listens there; stop it, or choose another address with --listen", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s needs rights that this user does not have; choose a port above 1023 with --listen", addr)
	default:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
}
