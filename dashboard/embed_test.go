package dashboard_test

import (
	"io/fs"
	"testing"

	"github.com/telltale-iot/telltale/dashboard"
)

func TestBuiltAgreesWithTheFiles(t *testing.T) {
	index, err := fs.ReadFile(dashboard.Files(), "index.html")
	if dashboard.Built() != (err == nil && len(index) > 0) {
		t.Fatalf("Built() = %v, index.html: %d bytes, %v", dashboard.Built(), len(index), err)
	}
	if !dashboard.Built() {
		t.Log("the dashboard is not built: run npm ci && npm run build in dashboard/")
	}
}
