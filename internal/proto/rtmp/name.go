package rtmp

import (
	"net/url"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/session"
)

// An address is what a client's URL names. Clients split it anywhere between connect's
// app and the stream name of publish or play, and give the query with either.
type address struct {
	stream     string // as the client wrote it, unchecked
	credential session.Secret
}

// parseAddress puts app and name together. The first path element is left out if it
// is one of apps. The credential is the query's "key" or "token", or all of a query
// without "=". Encoders do not escape its value: it is unescaped if that can be done.
func parseAddress(app, name string, apps []string) address {
	appPath, appQuery, _ := strings.Cut(app, "?")
	namePath, nameQuery, _ := strings.Cut(name, "?")
	path := strings.Trim(trimSlash(appPath)+"/"+trimSlash(namePath), "/")
	if first, rest, _ := strings.Cut(path, "/"); slices.Contains(apps, first) {
		path = rest
	}
	a := address{stream: path, credential: queryCredential(nameQuery)}
	if a.credential == "" {
		a.credential = queryCredential(appQuery)
	}
	return a
}

// trimSlash takes off one slash at each end: more are an empty element, which is no name.
func trimSlash(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(s, "/"), "/")
}

func queryCredential(query string) session.Secret {
	query = strings.TrimPrefix(query, "?")
	if !strings.Contains(query, "=") {
		return session.Secret(query)
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "key" && name != "token" {
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil { // and not QueryUnescape: a + is a +
			value = plain
		}
		return session.Secret(value)
	}
	return ""
}

// appOf returns the application that a connect command names, from its tcUrl if app
// itself is missing.
func appOf(connect Object) string {
	if app := connect.String("app"); app != "" {
		return app
	}
	_, rest, ok := strings.Cut(strings.Trim(connect.String("tcUrl"), `"' `), "://")
	if !ok {
		return ""
	}
	_, app, _ := strings.Cut(rest, "/")
	return app
}
