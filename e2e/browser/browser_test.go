// Package browser runs the stories in stories/: a real Chromium against a real hub and a real simulated home. The stories are TypeScript
// for Playwright; this file is the way in from `go test ./e2e/...`.
package browser

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestStories installs what the stories need from the npm registry when that was not done for this package-lock.json yet, and runs them.
// Screenshots of failures are in coverage/browser.
func TestStories(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	const installed = "node_modules/.installed-lock.json"
	if was, err := os.ReadFile(installed); err != nil || !bytes.Equal(was, lock) {
		run(t, "npm", "ci")
		if err := os.WriteFile(installed, lock, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "npm", "run", "check")
	run(t, "npm", "test")
}

// run shows what the command prints as it comes.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
}
