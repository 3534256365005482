package socket

import (
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// flush writes what the link has to say. Only a worker calls it, and the link is in the queue only once, so there is one at a time.
func (l *link) flush(buf []byte) []byte {
	for range manyMessages {
		kind, message, grown, end := l.next(buf)
		buf = grown
		if kind == 0 {
			return buf
		}
		var err error
		if kind == websocket.TextMessage {
			err = l.ws.WriteMessage(kind, message)
			l.s.stats.messagesOut.Add(1)
			l.s.stats.bytesOut.Add(uint64(len(message)))
			l.wrote.Store(time.Now().UnixNano())
		} else {
			err = l.ws.WriteControl(kind, message, time.Time{})
		}
		if err != nil {
			l.cut()
			return buf
		}
		if end { // the reader closes, when the peer has or when it took too long
			_ = l.ws.SetReadDeadline(time.Now().Add(lingerFor))
			l.once.Do(func() { close(l.told) })
			l.mu.Lock()
			l.queued = false
			l.mu.Unlock()
			return buf
		}
	}
	l.s.pump.add(l) // still ours: others first
	return buf
}

// next picks what to write: answers to pings, then frames, then what the rooms have, then the end. kind 0 = nothing left; the link has left the pump's
// hands.
func (l *link) next(buf []byte) (kind int, message, grown []byte, end bool) {
	for {
		l.mu.Lock()
		l.again = false
		switch {
		case l.owesPong:
			l.owesPong = false
			payload := l.pong
			l.mu.Unlock()
			return websocket.PongMessage, payload, buf, false
		case l.wantsPing:
			l.wantsPing = false
			l.mu.Unlock()
			return websocket.PingMessage, nil, buf, false
		case len(l.out) > 0 && !l.held:
			n := min(len(l.out), schema.MaxFrames)
			if l.agent && l.out[0].Kind() == "welcome" { // an answer that is waited for comes alone
				n = 1
			}
			frames := l.out[:n:n]
			l.out = l.out[n:]
			if len(l.out) == 0 {
				l.out = nil
			}
			l.sent++
			l.mu.Unlock()
			if message, err := schema.Encode(frames...); err == nil {
				l.s.taps.frames(l, out, frames...)
				return websocket.TextMessage, message, buf, false
			}
			continue // only a value that JSON cannot hold, which schema.Value rules out
		case l.feed != nil && !l.held && l.hasCredit():
			feed := l.feed
			l.mu.Unlock()
			if message, buf = feed.Next(buf); message != nil {
				l.mu.Lock()
				l.sent++
				l.mu.Unlock()
				l.s.taps.message(l, message)
				return websocket.TextMessage, message, buf, false
			}
			l.mu.Lock()
		case l.closeCode != 0 && !l.held:
			code, text := l.closeCode, l.closeText
			l.mu.Unlock()
			return websocket.CloseMessage, websocket.FormatCloseMessage(code, text), buf, true
		}
		if !l.again {
			l.queued = false
			l.mu.Unlock()
			return 0, nil, buf, false
		}
		l.mu.Unlock()
	}
}

// hasCredit reports whether a page has handled enough of what it was sent. Call with mu held.
func (l *link) hasCredit() bool {
	if l.credit == 0 || l.sent-l.seen < l.credit {
		return true
	}
	if !l.starved {
		l.starved = true
		l.s.stats.merged.Add(1)
	}
	return false
}

// handled notes how many messages the page has handled, which may give it credit.
func (l *link) handled(n uint64) {
	l.mu.Lock()
	l.seen = max(l.seen, min(n, l.sent))
	l.starved = false
	l.wake()
}
