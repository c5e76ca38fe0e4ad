package etcd

import (
	"cmp"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const (
	// tickMs and electionMs are a tenth of etcd's defaults: a lone member
	// elects itself, and every restart of the hub waits for it.
	tickMs     = 20
	electionMs = 200

	// snapshotCount and catchUpEntries bound the raft log kept in memory and
	// replayed at start. A lone member has no follower that could lag.
	snapshotCount  = 5000
	catchUpEntries = 200

	// quotaBytes is the largest size etcd supports. Beyond it etcd refuses
	// writes until an operator acts.
	quotaBytes = 8 << 30

	// progressInterval is shorter than the time after which revisions are
	// compacted away; with etcd's ten minutes a reader of a quiet resource that
	// lost its watch would have to list anew.
	progressInterval = time.Minute

	// maxTxnOps is etcd's default, named because the hub's own transactions are
	// cut to it and an external etcd has the same.
	maxTxnOps = 128
)

// unusedPeerURL is advertised because a member must have a peer address. No
// one listens there as long as there is one member.
var unusedPeerURL = url.URL{Scheme: "http", Host: "127.0.0.1:2380"}

// embedConfig is the whole configuration of the member in one place.
func embedConfig(cfg Config, listen socket, logs *logger) *embed.Config {
	out := embed.NewConfig()
	out.Dir = cfg.Dir
	out.Name = cmp.Or(cfg.Name, "atrium")
	out.ListenClientUrls = []url.URL{listen.url()}
	out.AdvertiseClientUrls = []url.URL{listen.url()}
	out.ListenPeerUrls = nil
	out.AdvertisePeerUrls = []url.URL{unusedPeerURL}
	out.InitialCluster = out.InitialClusterFromName(out.Name)
	out.TickMs = tickMs
	out.ElectionMs = electionMs
	out.SnapshotCount = snapshotCount
	out.SnapshotCatchUpEntries = catchUpEntries
	out.QuotaBackendBytes = quotaBytes
	out.MaxTxnOps = maxTxnOps
	out.WatchProgressNotifyInterval = cmp.Or(cfg.ProgressInterval, progressInterval)
	out.EnableGRPCGateway = false
	out.UnsafeNoFsync = false
	out.LogLevel = "warn"
	out.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logs.zap)
	return out
}
