package schema

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden frames anew (never after a release)")

// golden is one file of testdata/v1: a message and who sends it.
type golden struct {
	Stream  string          `json:"stream"`
	About   string          `json:"about"`
	Message json.RawMessage `json:"message"`
}

func p[T any](v T) *T { return &v }

// goldenFrames has at least one full frame of every kind on every stream, in a stable order.
func goldenFrames() map[Stream][]Frame {
	hex := func(n int) string { return strings.Repeat("0123456789abcdef", 8)[:n] }
	lamp := Entity{ID: "lamp", Kind: KindLight, Name: "Lamp", Channels: []Channel{
		{Name: ChannelState, Type: TypeBool, Settable: true, IntervalMS: 10_000, Proof: ProofReadback},
		{Name: ChannelBrightness, Type: TypeNumber, Unit: "%", Min: p(0.0), Max: p(100.0), Step: p(1.0), Precision: p(0), Settable: true}},
		Safety: &Safety{SafeState: map[string]Value{"state": Bool(false)}, OnBoot: "safe", LeaseMS: 60_000, MaxOnMS: 3_600_000, MinCycleMS: 500}}
	air := Entity{ID: "air_temperature", Kind: KindSensor, Name: "Air", DeviceClass: "temperature",
		Channels: []Channel{{Name: ChannelState, Type: TypeNumber, Unit: "°C", StateClass: StateMeasurement, Precision: p(1), IntervalMS: 1000}}}
	desc := Descriptor{Name: "Pi in the garage", Area: "Garage", Model: "Raspberry Pi 4 Model B", Software: "device-agent 0.1.0", Entities: []Entity{lamp, air}}
	presence := Presence{State: PresenceOnline, SinceMS: 1763850000000, LastSeenMS: 1763850009000, Agent: "device-agent 0.1.0", RTTMS: 2.5, Clock: TimeSynced, CompleteToMS: 1763850008000}
	cmd := Command{ID: hex(32), Key: "0b4f7a52-7b1e", Seq: 7, Device: "pi-garage", Entity: "lamp", Channel: "state", Op: OpSet, Value: Bool(true), Actor: "local",
		Reason: "dark", AskedMS: 1763850009000, DeadlineMS: 1763850019000, State: StateDone, Reported: Bool(true), Proof: ProofReadback,
		Log: []CommandStep{{State: StateQueued, AtMS: 1763850009000}, {State: StateSent, AtMS: 1763850009001}, {State: StateDone, AtMS: 1763850009031, Message: "read back on"}}}
	series := []Series{{Ch: "air_temperature.state", DtMS: []int64{0, 1000, 2000}, V: Values{Number(21.5), Number(-0.25), {}}, Q: []Quality{QualityOK, QualityOK, QualityFault}},
		{Ch: "pulse.state", StepUS: 8000, V: Values{Number(0.1), Number(1e-9), Number(1e308)}}, {Ch: "lamp.state", V: Values{Bool(true)}}}
	return map[Stream][]Frame{
		AgentUp: {&Pair{Device: "pi-garage", Name: "Garage", PublicKey: hex(64), Proof: hex(64), Sig: hex(128)},
			&Hello{Device: "pi-garage", Sig: hex(128), Epoch: hex(16), First: 3, Last: 9, BootID: "b1", MonoMS: 12345, WallMS: 1763850000000, Synced: true, DescriptorHash: desc.Hash(), Agent: "device-agent 0.1.0"},
			&Describe{Hash: desc.Hash(), Descriptor: desc},
			&Readings{Seq: 10, T0MS: 1763850000000, MonoMS: 12345, Series: series},
			&Readings{Seq: 4, MonoMS: 345, Boot: "b0", Backfill: true, Series: series[2:]},
			&Gap{First: 5, Last: 6, FromMS: 1763840000000, ToMS: 1763840060000, Reason: GapQuota},
			&Event{Seq: 11, MonoMS: 12350, Type: "safe_state", Entity: "lamp", Message: "no contact for 60 s: lamp switched off"},
			&Status{Backlog: 12, BacklogFromMS: 1763840000000, Dropped: 2, Degraded: "outbox disk is read-only", RTTMS: 2.5, MonoMS: 12400, WallMS: 1763850000055, Synced: true},
			&CommandReport{ID: hex(32), State: StateFailed, Code: "readback", Message: "asked on, read back off", Reported: Bool(false), Proof: ProofReadback, TookMS: 31},
			&Bye{Reason: "going down for an update"},
			&Problem{Code: CodeUnknownKind, Message: "this agent does not know that"}},
		AgentDown: {&Challenge{HubID: "hub-1", Nonce: hex(32), NowMS: 1763850000000}, &Paired{Device: "pi-garage-2", HubID: "hub-1"},
			&Welcome{StoreGeneration: "g1", Have: []Range{{1, 4}, {7, 7}}, NowMS: 1763850000000, MonoMS: 86400000, Describe: true, BatchMS: 1000, Window: 64, Session: 3},
			&Ack{Epoch: hex(16), Ranges: []Range{{1, 10}}}, &Pace{BatchMS: 100},
			&DeviceCommand{ID: hex(32), Seq: 7, Entity: "lamp", Channel: "state", Op: OpSet, Value: Bool(true), RemainingMS: 9990, MonoMS: 86412345, Actor: "local"},
			&DeviceCommand{ID: hex(32), Seq: 8, Entity: "door", Channel: "press", Op: OpPulse, Value: Number(250), RemainingMS: 900, MonoMS: 86412345},
			&Cancel{ID: hex(32)}, &Bye{InMS: 500, SpreadMS: 5000, Reason: "the hub restarts"}, &Problem{Code: CodeBadFrame, Message: "readings: series has no values", Seq: 12}},
		LiveUp: {&LiveHello{Client: "dashboard 0.1.0", Resume: []RoomPosition{{Room: RoomFleet, Epoch: "e1", Ver: 4}}}, &Join{Room: "device/pi-garage", Epoch: "e1", Ver: 17},
			&Leave{Room: "device/pi-garage"}, &Seen{N: 40}, &Hidden{Hidden: true},
			&Ask{Key: "0b4f7a52-7b1e", Device: "pi-garage", Entity: "lamp", Channel: "brightness", Op: OpSet, Value: Number(62), TTLMS: 10000, Reason: "film"},
			&Cancel{ID: hex(32)}, &Ping{NowMS: 1763850000000}, &Pong{NowMS: 1763850000000, AtMS: 1763850000004}},
		LiveDown: {&LiveWelcome{HubID: "hub-1", Version: "0.1.0", NowMS: 1763850000000, StartedMS: 1763840000000, PingMS: 25000, Credit: 32},
			&Snapshot{Room: "device/pi-garage", Epoch: "e1", Ver: 17, T0MS: 1763850000000, Devices: []Device{{ID: "pi-garage", Name: "Garage", Area: "Garage", PairedMS: 1763800000000, Presence: presence, Descriptor: &desc}},
				Series: []LiveSeries{{Ch: "lamp.state", DtMS: []int64{-40}, V: Values{Bool(true)}, Time: TimeRelative}, {Ch: "mode.state", DtMS: []int64{0}, V: Values{Text("heat \"1\" <b>")}}}, Commands: []Command{cmd}},
			&Delta{Room: "device/pi-garage", Ver: 19, T0MS: 1763850001000, Series: []LiveSeries{{Ch: "air_temperature.state", DtMS: []int64{0, 100}, V: Values{Number(21.5), {}}, Q: []Quality{QualityOK, QualityFault}, Cut: true}},
				Commands: []Command{cmd}, Gaps: []GapRecord{{Epoch: hex(16), First: 5, Last: 6, FromMS: 1763840000000, ToMS: 1763840060000, Reason: GapQuota}}, Filled: []Span{{FromMS: 1763840060000, ToMS: 1763840160000}}},
			&Ping{NowMS: 1763850000000}, &Pong{NowMS: 1763850000000, AtMS: 1763850000004}, &Bye{InMS: 500, SpreadMS: 2000}, &Problem{Code: CodeOffline, Message: "pi-garage is offline", Key: "0b4f7a52-7b1e", Room: "device/pi-garage"}},
	}
}

func goldenName(s Stream, i int, f Frame) string {
	return fmt.Sprintf("%s_%02d_%s.json", strings.ReplaceAll(s.String(), " ", "_"), i, f.Kind())
}

func TestGoldenFramesEncodeAndDecodeUnchanged(t *testing.T) {
	for s, frames := range goldenFrames() {
		for i, f := range frames {
			name := filepath.Join("testdata", "v1", goldenName(s, i, f))
			msg, err := Encode(f)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *update {
				b, err := json.MarshalIndent(golden{Stream: s.String(), About: f.Kind(), Message: msg}, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var g golden
			if err := json.Unmarshal(b, &g); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := Decode(s, g.Message)
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: decoded %d frames, %v", name, len(got), err)
			}
			if !reflect.DeepEqual(got[0], f) {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got[0], f)
			}
		}
	}
}

func TestEveryKindHasAGoldenFrame(t *testing.T) {
	all := goldenFrames()
	for _, s := range []Stream{AgentUp, AgentDown, LiveUp, LiveDown} {
		have := map[string]bool{}
		for _, f := range all[s] {
			have[f.Kind()] = true
		}
		for _, f := range Frames(s) {
			if !have[f.Kind()] {
				t.Errorf("%s: no golden frame of kind %s", s, f.Kind())
			}
		}
	}
}

func TestDecodeKeepsGoodFramesBesideBadOnes(t *testing.T) {
	msg := `[{"t":"readings","seq":1,"mono_ms":5,"series":[{"ch":"a.state","v":[1]}]},` +
		`{"t":"readings","seq":2,"mono_ms":5,"series":[{"ch":"a.state","v":[1e999]}]},` +
		`{"t":"later_idea","x":1},` +
		`{"t":"readings","seq":3,"mono_ms":5,"series":[{"ch":"a.state","v":[-0.0]}]}]`
	frames, err := Decode(AgentUp, []byte(msg))
	if len(frames) != 2 || frames[0].(*Readings).Seq != 1 || frames[1].(*Readings).Seq != 3 {
		t.Fatalf("got %v", frames)
	}
	problems := Problems(err)
	if len(problems) != 1 || problems[0].Seq != 2 || problems[0].Code != CodeBadFrame {
		t.Fatalf("problems %v", err)
	}
	if v := frames[1].(*Readings).Series[0].V[0]; v.String() != "0" {
		t.Errorf("-0 became %s", v)
	}
}

func TestDecodeRefusesInWords(t *testing.T) {
	series := func(inner string) string { return `{"t":"readings","seq":9,"mono_ms":1,"series":[` + inner + `]}` }
	cases := []struct{ name, msg, want string }{
		{"not JSON", `hello`, "JSON"},
		{"empty", ` `, "empty"},
		{"no kind", `{"x":1}`, "needs a \"t\""},
		{"number as kind", `{"t":5}`, "object with"},
		{"must understand", `{"t":"dance!"}`, "does not know"},
		{"deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), "deeper"},
		{"NaN", series(`{"ch":"a.state","v":[NaN]}`), "invalid character"},
		{"too large a number", series(`{"ch":"a.state","v":[1e309]}`), "not finite"},
		{"null without quality", series(`{"ch":"a.state","v":[null]}`), "null needs a quality"},
		{"object as value", series(`{"ch":"a.state","v":[{}]}`), "a value is"},
		{"long string", series(`{"ch":"a.state","v":["` + strings.Repeat("x", 300) + `"]}`), "at most 256"},
		{"times and values differ", series(`{"ch":"a.state","dt_ms":[1,2],"v":[1]}`), "2 times for 1 values"},
		{"times backwards", series(`{"ch":"a.state","dt_ms":[2,1],"v":[1,1]}`), "backwards"},
		{"fast waveform", series(`{"ch":"a.state","step_us":10,"v":[1,1]}`), "not within 1000"},
		{"endless waveform", series(`{"ch":"a.state","step_us":9223372036854775807,"v":[1,1]}`), "not within 1000"},
		{"unknown quality", series(`{"ch":"a.state","v":[1],"q":["great"]}`), "unknown quality"},
		{"no series", `{"t":"readings","seq":9,"mono_ms":1}`, "0 series"},
		{"seq zero", `{"t":"readings","seq":0,"mono_ms":1,"series":[{"ch":"a.state","v":[1]}]}`, "seq starts at 1"},
		{"negative seq", `{"t":"readings","seq":-4,"mono_ms":1,"series":[{"ch":"a.state","v":[1]}]}`, "seq"},
		{"device id", `{"t":"hello","device":"../x"}`, "device id"},
		{"gap backwards", `{"t":"gap","first":5,"last":2,"reason":"quota"}`, "first"},
		{"unknown state", `{"t":"command_state","id":"` + strings.Repeat("0", 32) + `","state":"maybe","reported":null}`, "cannot report"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			frames, err := Decode(AgentUp, []byte(c.msg))
			if err == nil || len(frames) != 0 {
				t.Fatalf("accepted as %v", frames)
			}
			var problem *Problem
			if !errors.As(err, &problem) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %q does not say %q", err, c.want)
			}
		})
	}
}

func TestTooManyFramesAreRefused(t *testing.T) {
	one := `{"t":"bye","in_ms":0,"spread_ms":0}`
	_, err := Decode(AgentUp, []byte("["+strings.Repeat(one+",", MaxFrames)+one+"]"))
	if ps := Problems(err); len(ps) != 1 || ps[0].Code != CodeTooLarge {
		t.Fatalf("got %v", err)
	}
}

func TestUnknownFieldsAndKindsAreSkipped(t *testing.T) {
	frames, err := Decode(LiveUp, []byte(`[{"t":"news"},{"t":"join","room":"fleet","colour":"blue"}]`))
	if err != nil || len(frames) != 1 {
		t.Fatalf("got %v, %v", frames, err)
	}
}

func FuzzDecode(f *testing.F) {
	for s, frames := range goldenFrames() {
		for _, fr := range frames {
			msg, err := Encode(fr)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(s), msg)
		}
	}
	f.Add(uint8(AgentUp), []byte(`[[[[`))
	f.Fuzz(func(t *testing.T, s uint8, msg []byte) {
		frames, err := Decode(Stream(s%5), msg)
		if err != nil && len(Problems(err)) == 0 {
			t.Fatalf("an error that is no problem: %v", err)
		}
		for _, fr := range frames { // what was accepted must survive its own encoding
			again, err := Encode(fr)
			if err != nil {
				t.Fatalf("encode %+v: %v", fr, err)
			}
			got, err := Decode(Stream(s%5), again)
			if err != nil || len(got) != 1 || !reflect.DeepEqual(normal(t, got[0]), normal(t, fr)) {
				t.Fatalf("second decoding differs: %v\n%s", err, again)
			}
		}
	})
}

// normal compares frames by their JSON: empty and absent lists are the same thing.
func normal(t *testing.T, f Frame) string {
	b, err := Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
