package agent

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// passed are the variables of the machine that reach the program: how to get
// out of it, and whom to trust there. Nothing else of the server's environment
// does.
var passed = []string{
	"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TZ",
}

// loopback is where replicas and the server are, which no proxy leads to.
const loopback = "localhost,127.0.0.1,::1"

// environ is the program's whole environment: the machine's, ours, the
// environment's, the job's, the user's, later ones winning.
func (a *agent) environ(env Env, tmp string) []string {
	r, own, vars := a.task.Replica, vars(a.Environ), map[string]string{}
	for _, k := range passed {
		if v, ok := own[k]; ok {
			vars[k] = v
		}
	}
	noProxy := loopback
	for _, host := range a.task.hosts() {
		if !slices.Contains(strings.Split(noProxy, ","), host) {
			noProxy += "," + host
		}
	}
	for _, k := range []string{"no_proxy", "NO_PROXY"} {
		if v := own[k]; v != "" {
			noProxy += "," + v
			break
		}
	}
	if a.out != nil {
		maps.Copy(vars, a.out.environ())
		// The proxy itself knows which hosts are reached without the machine's.
		noProxy = a.out.noProxy(noProxy)
	}
	// The stand-ins come last: the real ones are used where they are there.
	path := []string{a.dir.file("bin"), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", a.dir.file("stand-ins")}
	if env.BinDir != "" {
		path = append([]string{env.BinDir}, path...)
	}
	pythonPath := a.dir.file("site")
	if env.Made.Runtime != "" { // there is a pip, and programs of that time call it
		prefix := a.dir.file("home/.local")
		path = append([]string{prefix + "/bin"}, path...)
		pythonPath += ":" + prefix + "/lib/python" + line(env.Made.Python) + "/site-packages"
		vars["PIP_PREFIX"], vars["PIP_DISABLE_PIP_VERSION_CHECK"] = prefix, "1"
	}
	cpus := runtime.NumCPU()
	if n := r.Need.CPUs; n > 0 {
		cpus = min(cpus, max(1, int(n)))
	}
	maps.Copy(vars, map[string]string{
		"PATH":             strings.Join(path, ":"),
		"LANG":             "C.UTF-8",
		"HOME":             a.dir.file("home"),
		"TMPDIR":           tmp,
		"no_proxy":         noProxy,
		"NO_PROXY":         noProxy,
		"PYTHONUNBUFFERED": "1", // a line is in the log when it is printed
		"PYTHONPATH":       pythonPath,

		"TRAINYARD_LOG_PIPE":    a.dir.file("records"),
		"TRAINYARD_ENDPOINT":    a.relay.URL(),
		"TRAINYARD_PROJECT":     string(a.task.Job.Project),
		"STORAGE_EMULATOR_HOST": a.relay.URL(),
		// gcsfs from 2026 on asks for a bucket's kind by gRPC over TLS first, which
		// no emulator speaks, and waits a minute for it.
		"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
		"GOOGLE_CLOUD_PROJECT":              string(a.task.Job.Project),
		"CLOUDSDK_CORE_PROJECT":             string(a.task.Job.Project),
		// The real gcloud, where a program calls it.
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS":       "true",
		"CLOUDSDK_CORE_DISABLE_PROMPTS":           "1",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_ML":      a.relay.URL() + "/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": a.relay.URL() + "/storage/v1/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": a.relay.URL() + "/",

		"CLOUD_ML_JOB_ID":     string(a.task.Job.ID),
		"CLOUD_ML_PROJECT_ID": string(a.task.Job.Project),
		// The original also set KMP_AFFINITY and KMP_SETTINGS. Jobs share this
		// machine: pinned, they would all sit on its first cores.
		"KMP_BLOCKTIME":   "0",
		"OMP_NUM_THREADS": fmt.Sprint(cpus),
	})
	if dir := jobDir(r.Args); dir != "" {
		vars["TRAINYARD_JOB_DIR"] = dir
	}
	maps.Copy(vars, env.Vars)
	maps.Copy(vars, r.Env)
	maps.Copy(vars, a.vars.values)
	if env.Vars["PYTHONPATH"] != "" || r.Env["PYTHONPATH"] != "" || a.vars.values["PYTHONPATH"] != "" {
		vars["PYTHONPATH"] = pythonPath + ":" + vars["PYTHONPATH"]
	}
	if a.task.GPUs != nil {
		vars["CUDA_VISIBLE_DEVICES"] = strings.Join(a.task.GPUs, ",")
		vars["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID" // in which the tool that lists them counts
	}
	vars[markName] = string(a.dir)
	list := make([]string, 0, len(vars))
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, k+"="+vars[k])
	}
	return list
}

// line is the line of a Python: "3.7" of "3.7.16".
func line(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// jobDir is the value of the --job-dir that the service puts last.
func jobDir(args []string) string {
	if n := len(args); n >= 2 && args[n-2] == "--job-dir" {
		return args[n-1]
	}
	return ""
}
