package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/telltale-iot/telltale/schema"
)

// Identity is who the device is: its key, made here and never sent, and the hub it was paired with. It lives in two files of the state
// folder, mode 0600: "key" (the ed25519 seed, 64 hex digits) and "hub.json".
type Identity struct {
	dir     string
	key     ed25519.PrivateKey
	unsaved bool // the pairing is not on the disk yet
	// Device is the id given at pairing; "" = not paired.
	Device string `json:"device"`
	// HubID is the hub it belongs to.
	HubID string `json:"hub_id"`
}

// LoadIdentity reads the identity in dir or makes a key there. Errors: a key file that is damaged is never replaced.
func LoadIdentity(dir string) (*Identity, error) {
	id := &Identity{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "key"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		seed := make([]byte, ed25519.SeedSize)
		if _, err := rand.Read(seed); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		id.key = ed25519.NewKeyFromSeed(seed)
		if err := writeFile(dir, "key", []byte(hex.EncodeToString(seed)+"\n")); err != nil {
			return nil, fmt.Errorf("keep key: %w", err)
		}
		return id, nil
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the key in %s is damaged; remove it to make a new one and pair again", filepath.Join(dir, "key"))
	}
	id.key = ed25519.NewKeyFromSeed(seed)
	return id, id.loadHub()
}

func (id *Identity) loadHub() error {
	raw, err := os.ReadFile(filepath.Join(id.dir, "hub.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(raw, id)
	}
	if err == nil && !schema.ValidDevice(id.Device) {
		err = fmt.Errorf("device id %q is not valid", id.Device)
	}
	if err != nil {
		return fmt.Errorf("read pairing from %s (remove it to pair again): %w", filepath.Join(id.dir, "hub.json"), err)
	}
	return nil
}

// Paired reports whether the device belongs to a hub.
func (id *Identity) Paired() bool { return id.Device != "" }

// PublicKey is the device's public key, 64 hex digits.
func (id *Identity) PublicKey() string {
	pub, ok := id.key.Public().(ed25519.PublicKey)
	if !ok {
		return ""
	}
	return hex.EncodeToString(pub)
}

// sign returns a signature as 128 hex digits.
func (id *Identity) sign(msg []byte) string { return hex.EncodeToString(ed25519.Sign(id.key, msg)) }

// keep stores the pairing.
func (id *Identity) keep(device, hubID string) error {
	id.Device, id.HubID, id.unsaved = device, hubID, true
	return id.save()
}

// save writes a pairing that is not on the disk yet. The code it was made with is used up, so a disk that refuses is asked again.
func (id *Identity) save() error {
	if !id.unsaved {
		return nil
	}
	raw, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if err := writeFile(id.dir, "hub.json", append(raw, '\n')); err != nil {
		return err
	}
	id.unsaved = false
	return nil
}

// writeFile replaces a file whole: a crash leaves the old one or the new one.
func writeFile(dir, name string, data []byte) error {
	tmp := filepath.Join(dir, name+".new")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
