package proxy

// What mounts may take of the hub, the mounts in one workspace and those in all
// (M5). The hub serves 400 reading and 200 writing requests at a time. Streams do
// not count among those, but each holds a connection.
const (
	waitingPerWorkspace, waitingTogether     = 25, 100
	streamingPerWorkspace, streamingTogether = 500, 2000
)
