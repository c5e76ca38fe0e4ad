package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/test/childk8s/internal/controlplane"
	"github.com/atriumhub/atrium/test/childk8s/internal/nodes"
	"github.com/atriumhub/atrium/test/childk8s/internal/pki"
)

// ready is the line on standard output that programs wait for.
const ready = "ready"

// child is one cluster on its way up, up, or down.
type child struct {
	options  Options
	identity identity
	dir      *directory
	keys     pki.Dir
	log      *os.File
	started  time.Time

	out, notes *os.File // for programs and for people

	controlPlane *controlplane.ControlPlane
	kwok         func() error
	client       kubernetes.Interface
	failed       chan error // what ended although nobody asked it to
	goingDown    atomic.Bool
}

// Run brings a child up, says so on out ("ready") and to the person at notes, and takes it down when ctx
// ends. It returns nil if it was up until then. The process must end soon after, as the upstream parts do
// not stop all they started. What they log goes to child.log in the directory, and so does everything
// written to the usual standard error; notes comes from KeepStderr.
func Run(ctx context.Context, options Options, out, notes *os.File) error {
	c := &child{started: time.Now(), failed: make(chan error, 5), out: out, notes: notes}
	var err error
	if c.options, err = options.complete(); err != nil {
		return err
	}
	if !options.OutliveParent {
		if ctx, err = withParent(ctx); err != nil {
			return err
		}
	}
	listener, err := c.claim()
	if err != nil {
		return err
	}
	defer c.dir.close()
	c.guardExit()
	fmt.Fprintf(c.notes, "child %s: starting Kubernetes %s in %s\n", c.options.Name, version.Get().GitVersion, c.options.Dir)
	return c.live(ctx, listener)
}

// guardExit stands between upstream code and its habit of ending the process with a line in the log and
// nothing else: the person is told where to look. Once the child is going down such an exit is only an
// answer to that, and must not come before etcd has closed; its goroutine waits for the end then.
func (c *child) guardExit() {
	klog.OsExit = func(status int) {
		if c.goingDown.Load() {
			select {}
		}
		fmt.Fprintf(c.notes, "child %s: a component gave up; the last lines of %s say why\n", c.options.Name, c.dir.file("child.log"))
		os.Exit(status)
	}
}

// claim takes the directory and the ports, so that everything a person can mend is found out before
// anything is started.
func (c *child) claim() (net.Listener, error) {
	dir, err := openDirectory(c.options.Dir)
	if err != nil {
		return nil, err
	}
	c.dir = dir
	listener, err := c.claimPorts()
	if err != nil {
		dir.close()
		return nil, err
	}
	return listener, nil
}

func (c *child) claimPorts() (net.Listener, error) {
	known, found, err := c.dir.identity()
	if err != nil {
		return nil, err
	}
	if c.identity, err = chooseIdentity(c.options, known, found); err != nil {
		return nil, err
	}
	if err := c.dir.withdraw(); err != nil {
		return nil, err
	}
	listener, err := listen(c.identity.Port, "--port")
	if err != nil {
		return nil, err
	}
	c.identity.Port = portOf(listener)
	if c.options.Nodes > 0 {
		c.identity.KubeletPort, err = probe(c.identity.KubeletPort, "--kubelet-port")
	}
	if err == nil {
		err = c.dir.remember(c.identity)
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// live runs the claimed child from its first file to its end.
func (c *child) live(ctx context.Context, listener net.Listener) error {
	err := c.up(ctx, listener)
	if err == nil {
		err = c.announce()
	}
	if err == nil {
		err = c.stay(ctx)
	}
	// Being told to end is what a child waits for; being told so while it starts is no failure either.
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil && c.log != nil {
		err = fmt.Errorf("%w (the whole story is in %s)", err, c.log.Name())
	}
	return errors.Join(err, c.down())
}

// up takes the child to the point where it can take work.
func (c *child) up(ctx context.Context, listener net.Listener) error {
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.openLog(); err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return err
	}
	if err := c.prepareKwok(); err != nil {
		return err
	}
	var err error
	c.controlPlane, err = controlplane.Start(starting, controlplane.Config{
		Name:                        c.options.Name,
		DataDir:                     c.options.Dir,
		Listener:                    listener,
		PKI:                         c.keys,
		ControllerManagerKubeconfig: c.loginFile(pki.ControllerManager),
		SchedulerKubeconfig:         c.loginFile(pki.Scheduler),
		Failed:                      c.failed,
	})
	if err != nil {
		return err
	}
	if err := await(starting, c.failed, apiReady(c.client)); err != nil {
		return err
	}
	c.controlPlane.StartControllers()
	return c.populate(starting)
}

// openLog opens the log and sends there what upstream code prints.
func (c *child) openLog() error {
	var err error
	if c.log, err = c.dir.openLog(); err != nil {
		return err
	}
	return divertOutput(c.log, c.notes)
}

// writeFiles makes certificates and logins.
func (c *child) writeFiles() error {
	var err error
	if c.keys, err = pki.Ensure(c.dir.file("pki"), controlplane.ServiceIP, time.Now()); err != nil {
		return err
	}
	for _, user := range []string{pki.ControllerManager, pki.Scheduler, pki.Kwok} {
		text, err := kubeconfig(c.options.Name, c.url(), c.keys, user)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.loginFile(user), text, 0o600); err != nil {
			return fmt.Errorf("failed to write the login of %s: %w", user, err)
		}
	}
	c.client, err = c.newClient()
	return err
}

// newClient logs in as the cluster's administrator.
func (c *child) newClient() (kubernetes.Interface, error) {
	text, err := kubeconfig(c.options.Name, c.url(), c.keys, pki.Admin)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		return nil, fmt.Errorf("failed to read the administrator's login: %w", err)
	}
	config = rest.AddUserAgent(config, "childk8s")
	config.QPS = -1 // the questions at the start have their own pace
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("failed to make a client for the child: %w", err)
	}
	return client, nil
}

func (c *child) prepareKwok() error {
	if c.options.Nodes == 0 {
		return nil
	}
	var err error
	c.kwok, err = nodes.Kwok{
		Dir:        c.options.Dir,
		Kubeconfig: c.loginFile(pki.Kwok),
		Port:       int32(c.identity.KubeletPort),
		CertFile:   c.keys.Cert(pki.Kubelet),
		KeyFile:    c.keys.Key(pki.Kubelet),
		PodCIDR:    controlplane.PodCIDR,
		AllowExec:  c.options.AllowExec,
		Log:        c.log,
	}.Prepare()
	return err
}

// populate brings the nodes and waits until they and the first service account are there.
func (c *child) populate(starting context.Context) error {
	template := nodes.Template{ClusterName: c.options.Name, Version: version.Get().GitVersion, KubeletPort: int32(c.identity.KubeletPort)}
	if err := nodes.Register(starting, c.client, template, c.options.Nodes); err != nil {
		return err
	}
	if c.kwok != nil {
		go c.runKwok()
	}
	names := make([]string, c.options.Nodes)
	for index := range names {
		names[index] = template.Name(index)
	}
	return await(starting, c.failed, usable(c.client, names, c.started))
}

func (c *child) runKwok() {
	err := c.kwok()
	if err == nil {
		err = errors.New("ended by itself")
	}
	c.failed <- fmt.Errorf("kwok: %w", err)
}

// announce hands out the administrator's login (C1) and says so.
func (c *child) announce() error {
	text, err := kubeconfig(c.options.Name, c.url(), c.keys, pki.Admin)
	if err != nil {
		return err
	}
	if err := c.dir.replace("admin.kubeconfig", text); err != nil {
		return err
	}
	fmt.Fprintf(c.notes, "child %s: ready after %.1fs at %s with %d nodes; type\n  export KUBECONFIG=%s\n  kubectl get nodes\n",
		c.options.Name, time.Since(c.started).Seconds(), c.url(), c.options.Nodes, c.dir.adminKubeconfig())
	fmt.Fprintln(c.out, ready)
	return nil
}

// stay waits for the end of ctx or of a component.
func (c *child) stay(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.failed:
		return err
	}
}

func (c *child) down() error {
	c.goingDown.Store(true)
	err := c.dir.withdraw()
	if c.controlPlane == nil {
		return err
	}
	return errors.Join(err, c.controlPlane.Stop())
}

func (c *child) url() string { return fmt.Sprintf("https://127.0.0.1:%d", c.identity.Port) }

func (c *child) loginFile(user string) string { return c.dir.file("pki", user+".kubeconfig") }
