//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telltale-iot/telltale/schema"
)

// socket is a dashboard's connection: a file descriptor and what came of an unfinished frame.
type socket struct {
	fd      int
	rest    []byte // begin of a frame that is not complete
	handled uint64 // messages since the begin
	told    uint64 // of them, told to the hub with seen
	closed  bool
}

// dialPage connects, shakes hands and sends the messages. receiveBuffer bounds what the kernel takes for a page that reads nothing; 0 = the kernel's
// choice.
func dialPage(addr string, receiveBuffer int, messages ...[]byte) (*socket, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &socket{fd: fd}
	if err := s.open(at, addr, receiveBuffer, messages); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return s, nil
}

func (s *socket) open(at netip.AddrPort, addr string, receiveBuffer int, messages [][]byte) error {
	if receiveBuffer > 0 {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return err
		}
	}
	limit := unix.NsecToTimeval(answerWithin.Nanoseconds())
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := s.connect(at); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	request := "GET /api/v1/live HTTP/1.1\r\nHost: " + addr + "\r\nOrigin: http://" + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + schema.LiveProtocol + "\r\n\r\n"
	if err := s.writeAll([]byte(request)); err != nil {
		return err
	}
	if err := s.shake(); err != nil {
		return err
	}
	for _, m := range messages {
		if err := s.send(opText, m); err != nil {
			return err
		}
	}
	return nil
}

// connect goes on in the background when a signal (the Go runtime sends them) interrupts it: connect(2).
func (s *socket) connect(at netip.AddrPort) error {
	err := unix.Connect(s.fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	if !errors.Is(err, unix.EINTR) {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// writable waits until the socket takes bytes.
func (s *socket) writable() error {
	poll := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	for {
		if _, err := unix.Poll(poll, int(answerWithin/time.Millisecond)); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// shake reads the answer of the handshake, and keeps what came behind it.
func (s *socket) shake() error {
	var answer []byte
	buf := make([]byte, 2048)
	for {
		n, err := unix.Read(s.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("handshake: read %d bytes: %w", n, err)
		}
		answer = append(answer, buf[:n]...)
		if end := bytes.Index(answer, []byte("\r\n\r\n")); end >= 0 {
			if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("handshake: %.300s", answer)
			}
			s.rest = append([]byte(nil), answer[end+4:]...)
			return nil
		}
	}
}

// The opcodes of RFC 6455 section 5.2 that matter here.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// send writes a masked frame of at most 64 KiB.
func (s *socket) send(op byte, payload []byte) error {
	b := make([]byte, 0, len(payload)+8)
	b = append(b, 0x80|op)
	if len(payload) < 126 {
		b = append(b, 0x80|byte(len(payload)))
	} else {
		b = append(b, 0x80|126)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	b = append(b, 0, 0, 0, 0) // a mask of zeros changes nothing, and the library at the other end applies it all the same
	return s.writeAll(append(b, payload...))
}

// writeAll waits for a receiver that is busy.
func (s *socket) writeAll(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(s.fd, b)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			if err := s.writable(); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("write: %w", err)
		default:
			b = b[n:]
		}
	}
	return nil
}

// frames calls fn for every complete frame in b and returns what is left.
func frames(b []byte, fn func(op byte, payload []byte)) []byte {
	for len(b) >= 2 {
		head, n := 2, uint64(b[1]&0x7f)
		switch n {
		case 126:
			if len(b) < 4 {
				return b
			}
			head, n = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		case 127:
			if len(b) < 10 {
				return b
			}
			head, n = 10, binary.BigEndian.Uint64(b[2:])
		}
		if uint64(len(b)-head) < n {
			return b
		}
		end := head + int(n)
		fn(b[0]&0x0f, b[head:end])
		b = b[end:]
	}
	return b
}
