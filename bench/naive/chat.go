package naive

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// The chat example's numbers.
const (
	queue    = 256
	pingEach = 54 * time.Second
	writeFor = 10 * time.Second
)

// chat holds the dashboards by room.
type chat struct {
	mu    sync.Mutex
	rooms map[string]map[*client]bool
}

type client struct {
	ws   *websocket.Conn
	out  chan []byte
	gone bool // out is closed; guarded by chat.mu
}

func newChat() *chat { return &chat{rooms: map[string]map[*client]bool{}} }

func (c *chat) join(room string, member *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[room] == nil {
		c.rooms[room] = map[*client]bool{}
	}
	c.rooms[room][member] = true
}

// drop removes a client from all rooms and lets its writer end. Call with mu held.
func (c *chat) drop(member *client) {
	if !member.gone {
		member.gone = true
		close(member.out)
	}
	for _, members := range c.rooms {
		delete(members, member)
	}
}

// broadcast queues an update for everybody in its room; whose queue is full is dropped.
func (c *chat) broadcast(d *schema.Delta, once bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var message []byte
	for member := range c.rooms[d.Room] {
		if message == nil || !once {
			var err error
			if message, err = schema.Encode(d); err != nil {
				return
			}
		}
		select {
		case member.out <- message:
		default:
			c.drop(member)
		}
	}
}

// live is the life of a dashboard's connection: this goroutine reads, another one writes.
func (h *hub) live(w http.ResponseWriter, r *http.Request) {
	ws, err := h.up.Upgrade(w, r, nil)
	if err != nil { // the library has answered
		return
	}
	me := &client{ws: ws, out: make(chan []byte, queue)}
	go me.write()
	defer func() {
		h.chat.mu.Lock()
		h.chat.drop(me)
		h.chat.mu.Unlock()
	}()
	for {
		_, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		frames, err := schema.Decode(schema.LiveUp, message)
		if err != nil {
			return
		}
		for _, f := range frames {
			if j, ok := f.(*schema.Join); ok {
				h.chat.join(j.Room, me)
				b, err := schema.Encode(&schema.Snapshot{Room: j.Room, Epoch: "naive", T0MS: time.Now().UnixMilli(), Devices: []schema.Device{}})
				if err == nil {
					h.chat.tell(me, b)
				}
			}
		}
	}
}

func (c *chat) tell(member *client, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if member.gone {
		return
	}
	select {
	case member.out <- b:
	default:
		c.drop(member)
	}
}

// write is the chat example's write pump.
func (m *client) write() {
	ping := time.NewTicker(pingEach)
	defer ping.Stop()
	defer m.ws.Close()
	for {
		kind, b := websocket.PingMessage, []byte(nil)
		select {
		case message, open := <-m.out:
			if !open {
				return
			}
			kind, b = websocket.TextMessage, message
		case <-ping.C:
		}
		if m.ws.SetWriteDeadline(time.Now().Add(writeFor)) != nil || m.ws.WriteMessage(kind, b) != nil {
			return
		}
	}
}
