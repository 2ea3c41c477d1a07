package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// contentTypes are the types of what the build writes. They are fixed here
// because the system's own table differs between machines.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// A file is one file of the build, ready to serve. It is never changed.
type file struct {
	name        string
	contentType string
	cache       string // Cache-Control
	plain       representation
	gzipped     representation
}

type representation struct {
	data []byte
	etag string
}

func newFile(name string, data []byte) (*file, error) {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		return nil, fmt.Errorf("no content type for %q", path.Ext(name))
	}
	cache := cacheAsset
	if path.Ext(name) == ".html" {
		cache = cachePage
	}
	var packed bytes.Buffer
	zw, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := zw.Write(data); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	tag := hex.EncodeToString(sum[:12])
	return &file{
		name:        name,
		contentType: contentType,
		cache:       cache,
		plain:       representation{data, `"` + tag + `"`},
		gzipped:     representation{packed.Bytes(), `"` + tag + `-gzip"`},
	}, nil
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	rep := f.plain
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		rep = f.gzipped
	}
	h.Set("ETag", rep.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(rep.data))
}

// acceptsGzip tells whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3).
func acceptsGzip(values []string) bool {
	for _, value := range values {
		for coding := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
			if !ok {
				return true
			}
			weight, err := strconv.ParseFloat(q, 64)
			return err == nil && weight > 0
		}
	}
	return false
}
