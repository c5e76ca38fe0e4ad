package publications

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// workers is how many workspaces are worked on at a time, mostly waiting for the
	// disk.
	workers = 16
	// window is how many workspaces of the backlog are under way (P2).
	window = 64
	// patience is how long a new workspace stays closed for its publications (P3),
	// and how long one of the backlog keeps others waiting.
	patience = 3 * time.Second
	// soon is how long a status waits for more to say, pause how long after the one
	// before.
	soon  = 50 * time.Millisecond
	pause = time.Second
	// toldTogether is how many publications of one workspace are told of in one pause.
	toldTogether = 16
)

// Config is what New needs. All fields are required but for Clock.
type Config struct {
	// Publications, Exports, Bindings, Workspaces and LogicalClusters watch all
	// workspaces. The directory must follow the last two already.
	Publications    *informers.Informer[*publicationv1alpha1.APIPublication]
	Exports         *informers.Informer[*apisv1alpha2.APIExport]
	Bindings        *informers.Informer[*apisv1alpha2.APIBinding]
	Workspaces      *informers.Informer[*tenancyv1alpha1.Workspace]
	LogicalClusters *informers.Informer[*corev1alpha1.LogicalCluster]
	// Directory knows the paths.
	Directory *directory.Directory
	// CustomResources is where the hub's own kinds are stored.
	CustomResources *partition.Getter
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Publisher keeps all publications of the hub. Make it with New, and run its Loops.
type Publisher struct {
	Config
	clerk   clerk
	board   *board
	backlog *backlog
	primed  sync.Once

	publications, workspaces, statuses *loop.Loop
}

// New returns the Publisher and listens to the informers. Nothing runs yet.
func New(config Config) (*Publisher, error) {
	clerk, err := newClerk(config.CustomResources)
	if err != nil {
		return nil, err
	}
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	p := &Publisher{Config: config, clerk: failing{clerk}, board: newBoard()}
	p.publications = loop.New(loop.Config{Name: "publications", Clock: config.Clock, Reconcile: p.reconcile})
	p.workspaces = loop.New(loop.Config{Name: "publications-workspaces", Workers: workers, Clock: config.Clock, Reconcile: p.visit})
	p.statuses = loop.New(loop.Config{Name: "publications-status", Workers: 4, Clock: config.Clock, Reconcile: p.report})
	p.backlog = newBacklog(window, patience, config.Clock, p.wake)
	p.listen()
	return p, nil
}

// Loops returns what has to run, once the informers have synced.
func (p *Publisher) Loops() []loop.Controller {
	return []loop.Controller{primed{p.publications, p}, primed{p.workspaces, p}, primed{p.statuses, p}}
}

// primed is a loop that starts when all publications that are stored are known. A
// mark of one that is not would be one of nobody.
type primed struct {
	*loop.Loop
	publisher *Publisher
}

// Run implements loop.Controller.
func (l primed) Run(ctx context.Context) {
	l.publisher.primed.Do(l.publisher.prime)
	l.Loop.Run(ctx)
}

func (p *Publisher) prime() {
	for _, publication := range p.Publications.All() {
		p.board.set(p.read(informers.KeyOf(publication), publication))
		p.publications.Enqueue(informers.KeyOf(publication))
	}
}

// wake has a workspace looked at.
func (p *Publisher) wake(id logicalcluster.Name) { p.workspaces.Enqueue(keyOf(id)) }

func keyOf(id logicalcluster.Name) logicalcluster.Key {
	return logicalcluster.Key{Workspace: id, Name: corev1alpha1.LogicalClusterName}
}
