"""What deploy/ ships is valid as far as offline tools can tell, and opens nothing to the public."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
SCRIPTS = sorted((DEPLOY / "slurm").glob("*.sbatch"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=CHECKOUT)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_dockerfiles_are_clean(path):
    done = run(TOOLS / "hadolint", path)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr
    text = path.read_text()
    assert re.search(r"^USER 1000$", text, re.MULTILINE), "it does not run as root"
    sources = [word for line in re.findall(r"^COPY (.*)", text, re.MULTILINE) for word in line.split()[:-1]]
    kept = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(sources) <= kept and all((CHECKOUT / source).exists() for source in sources)


def test_the_image_has_what_the_packages_need():
    project = (CHECKOUT / "pyproject.toml").read_text()
    needed = {
        re.match(r"[a-z-]+", line)[0]
        for line in re.findall(r'^    "([a-z-]+.*)",', project.split("[project.opt")[0], re.M)
    }
    datagen, trainer = (path.read_text() for path in DOCKERFILES)
    for name in needed:
        assert re.search(rf'[\s"]{name}[\s\[]', datagen + trainer), f"{name} is in no image"
    assert " torch" not in re.findall(r"RUN pip install(?:.*\\\n)*.*", datagen)[0]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_slurm_scripts_are_clean(path):
    assert run("bash", "-n", path).returncode == 0
    done = run(TOOLS / "shellcheck", path)
    assert done.returncode == 0, done.stdout


def test_the_cluster_launchers_file_is_one_by_rays_own_schema():
    code = (
        "import sys, yaml; from ray.autoscaler._private.util import prepare_config, validate_config\n"
        "config = yaml.safe_load(open('deploy/ray/cluster.yaml')); config.update(eval(sys.argv[1]))\n"
        "validate_config(prepare_config(config))"
    )
    done = run(sys.executable, "-c", code, "{}")
    assert done.returncode == 0, done.stderr
    assert run(sys.executable, "-c", code, "{'max_wrokers': 1}").returncode != 0, "the check checks something"
    config = yaml.safe_load((DEPLOY / "ray/cluster.yaml").read_text())
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][1]
    assert config["head_node_type"] in config["available_node_types"]


def pods(document):
    """Yield (name, pod template) of everything in a manifest that becomes pods."""
    spec = document["spec"]
    if document["kind"] == "Job":
        yield "pods", spec["template"]
    if document["kind"] in ("RayJob", "RayCluster"):
        cluster = spec.get("rayClusterSpec", spec)
        yield "head", cluster["headGroupSpec"]["template"]
        for group in cluster["workerGroupSpecs"]:
            yield group["groupName"], group["template"]
        if "submitterPodTemplate" in spec:
            yield "submitter", spec["submitterPodTemplate"]


@pytest.mark.filterwarnings("ignore")  # pkg_resources and the like, in the validator
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_valid(path):
    import kubernetes_validate as validator

    version = validator.latest_version()
    for document in documents(path):
        if document["apiVersion"].startswith("ray.io/"):
            for name, template in pods(document):
                metadata = {"name": name, **template["metadata"]}
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
                validator.validate(pod, version, strict=True)
        else:
            validator.validate(document, version, strict=True)


CLUSTER_KEYS = {
    "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs",
}  # fmt: skip
JOB_KEYS = {
    "entrypoint", "entrypointNumCpus", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished", "rayClusterSpec", "runtimeEnvYAML", "activeDeadlineSeconds", "submitterPodTemplate",
}  # fmt: skip


def test_ray_manifests_use_fields_that_kuberay_has():
    kinds = {}
    for path in MANIFESTS:
        for document in documents(path):
            kinds.setdefault(document["kind"], []).append(document)
    (job,), (cluster,) = kinds["RayJob"], kinds["RayCluster"]
    assert job["apiVersion"] == cluster["apiVersion"] == "ray.io/v1"
    assert set(job["spec"]) <= JOB_KEYS and set(cluster["spec"]) <= CLUSTER_KEYS
    assert set(job["spec"]["rayClusterSpec"]) <= CLUSTER_KEYS
    assert job["spec"]["rayClusterSpec"] == cluster["spec"], "one cluster, written twice"
    spec = cluster["spec"]
    assert set(spec["autoscalerOptions"]) <= {"version", "idleTimeoutSeconds", "volumeMounts"}
    assert set(spec["headGroupSpec"]) <= {"serviceType", "rayStartParams", "template"}
    for group in spec["workerGroupSpecs"]:
        assert set(group) == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    import ray

    assert spec["rayVersion"] == ray.__version__


def kinds_of(*kinds):
    return [document for path in MANIFESTS for document in documents(path) if document["kind"] in kinds]


def test_rays_autoscaler_reads_the_cluster_as_it_is_meant():
    """By Ray's own reader of these manifests: a node has as many actors as cores, and memory for all of them."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr as derive

    from common.synthesis.recipe import load
    from datagen.plan import make_plan

    (cluster,) = kinds_of("RayCluster")
    cluster["metadata"]["namespace"] = "default"
    config = derive(cluster)
    kinds = config["available_node_types"]
    assert kinds["headgroup"]["resources"]["CPU"] == 0, "no actor is placed on the head"
    workers = kinds["workers"]["resources"]
    (container,) = cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    assert workers["CPU"] == int(container["resources"]["requests"]["cpu"]) == 8
    assert workers["memory"] >= workers["CPU"] * make_plan(load("d-small")).actor_bytes()
    assert config["idle_timeout_minutes"] == 2.0 and config["max_workers"] == 50


def test_the_autoscaler_alone_has_a_token_of_kubernetes():
    """It asks for nodes there, with what Ray reads at this path; jobs, which run beside it on the head, have none."""
    from ray.autoscaler._private.kuberay.node_provider import IN_CLUSTER_CA_CERT_PATH, IN_CLUSTER_TOKEN_PATH

    (cluster,) = kinds_of("RayCluster")
    assert all(not template["spec"]["automountServiceAccountToken"] for _, template in pods(cluster))
    (mount,) = cluster["spec"]["autoscalerOptions"]["volumeMounts"]
    volumes = {volume["name"]: volume for volume in cluster["spec"]["headGroupSpec"]["template"]["spec"]["volumes"]}
    token, authority, _ = volumes[mount["name"]]["projected"]["sources"]
    assert f"{mount['mountPath']}/{token['serviceAccountToken']['path']}" == IN_CLUSTER_TOKEN_PATH
    assert f"{mount['mountPath']}/{authority['configMap']['items'][0]['path']}" == IN_CLUSTER_CA_CERT_PATH


def test_the_policy_lets_in_who_must_come_in():
    (policy,) = kinds_of("NetworkPolicy")
    ours = policy["spec"]["podSelector"]["matchLabels"]
    inside, operator = policy["spec"]["ingress"][0]["from"]
    assert inside == {"podSelector": {"matchLabels": ours}}
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "kuberay-operator"}
    for document in kinds_of("Job", "RayJob", "RayCluster"):
        for name, template in pods(document):  # the submitter among them, which KubeRay gives no label of its own
            assert ours.items() <= template["metadata"]["labels"].items(), name
    (job,) = kinds_of("RayJob")
    assert "submitter" in dict(pods(job))
    (prometheus,) = policy["spec"]["ingress"][1]["ports"]
    (head,) = kinds_of("RayCluster")[0]["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert {"name": "metrics", "containerPort": prometheus["port"]} in head["ports"]


def test_every_pod_asks_for_a_token_and_nothing_is_public():
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] in ("RayJob", "RayCluster"):
                cluster = document["spec"].get("rayClusterSpec", document["spec"])
                assert cluster["authOptions"] == {"mode": "token"}
                assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
                for _, template in pods(document):
                    (container,) = template["spec"]["containers"]
                    assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
            for _, template in pods(document):
                assert template["spec"]["securityContext"]["runAsNonRoot"] is True
                assert not template["spec"].get("hostNetwork")
                for container in template["spec"]["containers"]:
                    assert not any("hostPort" in port for port in container.get("ports", ()))
            if document["kind"] == "Service":
                assert document["spec"]["clusterIP"] == "None"
    for path in (*SCRIPTS, *DOCKERFILES, DEPLOY / "ray/cluster.yaml"):
        text = path.read_text()
        assert "0.0.0.0" not in text
        assert "ray start" not in text or "RAY_AUTH_MODE=token" in text


def test_the_compose_file_is_valid_and_publishes_on_the_loopback_address_only():
    import jsonschema

    composed = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    schema = json.loads((CHECKOUT / "tests/deploy/compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(composed)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**composed, "service": {}})
    for service in composed["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        if "datagen" in service["image"]:
            assert service["environment"]["RAY_AUTH_MODE"] == "token" and service["secrets"] == ["ray_token"]
    assert composed["networks"]["inside"]["internal"] is True


def test_commands_in_the_files_are_commands_there_are(capsys):
    """Every ``python -m datagen run ...`` and ``trainer.main ...`` has arguments that its parser takes."""
    from datagen.__main__ import _parser

    found = 0
    for path in (DEPLOY / "kubernetes/datagen-rayjob.yaml", DEPLOY / "compose/compose.yaml"):
        for arguments in re.findall(r"python -m datagen (run [^\n#]*)", path.read_text()):
            _parser().parse_args(arguments.split())
            found += 1
    for path in SCRIPTS[:1]:
        (arguments,) = re.findall(r"python -m datagen (run [^\n]*) \"\$@\"", path.read_text())
        _parser().parse_args([*arguments.replace('"', "").split(), "--recipe", "tiny", "--out", "/data"])
        found += 1
    assert found == 3
