package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config is everything that can be set on a hub. Order: default < file < environment < flag.
type Config struct {
	// Listen is the address to listen on, host:port. Only this machine unless AllowNetwork is set.
	Listen string `yaml:"listen"`
	// AllowNetwork permits a Listen that other machines reach. There are no accounts yet: whoever reaches the hub can command it.
	AllowNetwork bool `yaml:"allow_network"`
	// Hosts are names the hub is reached by, beside localhost and its own addresses; a request for another name is refused.
	Hosts []string `yaml:"hosts"`
	// Origins of other front ends that may use this hub, "http://localhost:5173".
	Origins []string `yaml:"origins"`
	// Data is the folder that keeps everything.
	Data string `yaml:"data"`
	// CommitEvery is how long readings are collected before they are written durably and acked: 5s spares a card, shorter wears it more.
	CommitEvery time.Duration `yaml:"commit_every"`
	// StorageBudget is how large the store's files may grow before the oldest readings go; 0 = as the disk allows.
	StorageBudget Bytes `yaml:"storage_budget"`
	// CardEndurance is how many bytes may be written to the disk before it wears out, by its maker; 0 = guessed from its size.
	CardEndurance Bytes `yaml:"card_endurance"`
	// BackupEvery is how often a backup is made by itself; 0 = never.
	BackupEvery time.Duration `yaml:"backup_every"`
	// BackupKeep is how many backups are kept, the newest; 0 = all.
	BackupKeep int `yaml:"backup_keep"`
	// Grace is how long stopping may take: agents and pages are told, the store is emptied.
	Grace time.Duration `yaml:"grace"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `yaml:"log_level"`
	// LogFormat is text or json.
	LogFormat string `yaml:"log_format"`
}

// maxCommitEvery leaves room in an agent's window: a device that is watched sends ten frames a second, and may have 64 that are not acked.
const maxCommitEvery = 5 * time.Second

// minBudget is the least budget that makes sense: the log of the newest readings and SQLite's own journal take some 30 MB.
const minBudget = 100_000_000

// Default returns the configuration of a hub that nobody configured.
func Default() Config {
	return Config{Listen: "127.0.0.1:8080", Data: defaultData(), CommitEvery: time.Second, BackupKeep: 7, Grace: 8 * time.Second,
		LogLevel: "info", LogFormat: "text"}
}

// defaultData is where the XDG base directory specification puts a program's data.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "telltale", "hub")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "telltale", "hub")
	}
	return filepath.Join("data", "hub")
}

// Validate says in words what is wrong; nil = the hub can start with it.
func (c *Config) Validate() error {
	var level slog.Level
	_, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("listen %q is not host:port", c.Listen)
	case !loopback(c.Listen) && !c.AllowNetwork:
		return fmt.Errorf("listen %s would let other machines in, and there are no accounts yet: whoever reaches the hub could switch your devices; "+
			"use 127.0.0.1, or add --allow-network if you trust everybody on that network", c.Listen)
	case c.Data == "":
		return errors.New("data must name a folder")
	case c.CommitEvery < time.Millisecond || c.CommitEvery > maxCommitEvery:
		return fmt.Errorf("commit_every %s must be 1ms to 5s", c.CommitEvery)
	case c.StorageBudget < 0 || c.StorageBudget > 0 && c.StorageBudget < minBudget:
		return fmt.Errorf("storage_budget %s must be 0 (as the disk allows) or at least %s", c.StorageBudget, Bytes(minBudget))
	case c.CardEndurance < 0:
		return fmt.Errorf("card_endurance %s must not be negative", c.CardEndurance)
	case c.BackupEvery != 0 && c.BackupEvery < time.Hour:
		return fmt.Errorf("backup_every %s must be 0 (never) or at least 1h", c.BackupEvery)
	case c.BackupKeep < 0:
		return fmt.Errorf("backup_keep %d must be 0 (all) or more", c.BackupKeep)
	case c.Grace < time.Second || c.Grace > 5*time.Minute:
		return fmt.Errorf("grace %s must be 1s to 5m", c.Grace)
	case level.UnmarshalText([]byte(c.LogLevel)) != nil:
		return fmt.Errorf("log_level %q must be debug, info, warn or error", c.LogLevel)
	case c.LogFormat != "text" && c.LogFormat != "json":
		return fmt.Errorf("log_format %q must be text or json", c.LogFormat)
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/: *") && !isIP(h) {
			return fmt.Errorf("host %q must be a bare name, without port, slash or star", h)
		}
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return fmt.Errorf("origin %q must be scheme://host[:port] and nothing more", o)
		}
	}
	return nil
}

// loopback reports whether only this machine can reach the address.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
