package node

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/config"
)

func TestCheckSaysWhatToMend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.RTMP.Addr, cfg.HTTP.Addr = l.Addr().String(), "127.0.0.1:0"
	cfg.DataDir = filepath.Join(file, "data") // below a file: cannot be made
	cfg.TLS.CertFile, cfg.TLS.KeyFile = file, file
	var out strings.Builder
	if err := Check(t.Context(), cfg, &out); !errors.Is(err, ErrCheckFailed) {
		t.Errorf("err = %v", err)
	}
	for _, want := range []string{"FAIL  rtmp.addr", "ok    http.addr", "FAIL  data_dir", "FAIL  tls", "ok    settings"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestCheckClock(t *testing.T) {
	if checkClock(time.Unix(0, 0)) == nil {
		t.Error("1970 passed for a set clock")
	}
}
