package proxy

import (
	"net/http"
	"strings"
)

// passing are the headers of requests that go through (M1). Others are the
// client's business with the hub, or unknown, which may be the same.
var passing = []string{
	"Accept", "Accept-Encoding", "Content-Type", "Content-Encoding", "User-Agent",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Range",
	"Connection", "Upgrade", // set by the reverse proxy, for upgrades only
	"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
	"X-Stream-Protocol-Version", "X-Accept-Stream-Protocol-Version",
	"Kubectl-Command", "Kubectl-Session",
}

const (
	subprotocols = "Sec-Websocket-Protocol"
	// bearerSubprotocol begins the websocket protocol that carries a token.
	bearerSubprotocol = "base64url.bearer.authorization.k8s.io."
)

// through returns the headers of a request that a target may see.
func through(header http.Header) http.Header {
	kept := http.Header{}
	for _, name := range passing {
		if values, ok := header[name]; ok {
			kept[name] = values
		}
	}
	if !upgradable(kept["Upgrade"]) {
		delete(kept, "Upgrade")
		delete(kept, "Connection")
	}
	if protocols := harmless(header[subprotocols]); protocols != "" {
		kept.Set(subprotocols, protocols)
	}
	return kept
}

// upgradable reports whether a connection may become what is asked for. Streams of
// Kubernetes may: what is said in them is about one request that was judged. As
// HTTP, which "h2c" is, it would carry further requests, with headers that say
// whatever the client likes and that the target believes, as they come over a
// connection of the hub's.
func upgradable(protocols []string) bool {
	return len(protocols) == 0 || len(protocols) == 1 &&
		(strings.EqualFold(protocols[0], "websocket") || strings.EqualFold(protocols[0], "SPDY/3.1"))
}

// harmless returns the websocket protocols that are no tokens.
func harmless(lists []string) string {
	var kept []string
	for _, list := range lists {
		for protocol := range strings.SplitSeq(list, ",") {
			if protocol = strings.TrimSpace(protocol); protocol != "" && !strings.HasPrefix(strings.ToLower(protocol), bearerSubprotocol) {
				kept = append(kept, protocol)
			}
		}
	}
	return strings.Join(kept, ", ")
}

// retained are the headers of answers that do not come through (M4): what they
// say would be taken as said by the hub, about the hub.
var retained = []string{
	"Set-Cookie", "Location", "Refresh", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "Www-Authenticate", "Link",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Expose-Headers", "Content-Security-Policy", "Audit-Id", "Cache-Control",
}

// censor makes the answer of a target one of the hub. A browser that is shown it
// runs nothing.
func censor(header http.Header) {
	for _, name := range retained {
		header.Del(name)
	}
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
}
