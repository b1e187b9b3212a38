"""Fibres by rule: against exact ones, on real hearts, and what is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from benchmarks import real_hearts
from physio.electrophysiology.anatomy import fibres as by_rule
from physio.electrophysiology.anatomy import laplace
from physio.electrophysiology.anatomy.fibres import Angles, rule_fibres, with_fibres
from physio.electrophysiology.anatomy.shapes import (
    Atrium,
    Biventricle,
    LeftVentricle,
    Slab,
)
from physio.electrophysiology.anatomy.ventricle_surfaces import (
    carried_surfaces,
    find_surfaces,
    given_surfaces,
    surfaces_by_class,
)
from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels import voxelise
from physio.electrophysiology.voxels.voxels import FACES

LV, BIV = LeftVentricle(), Biventricle()
ACROSS = Angles(beta_endo=0.0, beta_epi=0.0)  # sheets as in generated hearts
APEX = np.array([0.0, 0.0, -47.5])  # middle of the wall
AWAY = 10.0  # mm from it: fibres have no direction at the apex itself


@pytest.fixture(scope="module")
def lv_mesh():
    return LV.as_mesh(3.0)


@pytest.fixture(scope="module")
def lv_voxels():
    return LV.as_voxels(1.0)


@pytest.fixture(scope="module")
def biv_mesh():
    return BIV.as_mesh(3.0)


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Between axes, degrees."""
    return np.degrees(np.arccos(np.clip(np.abs(np.sum(a * b, axis=1)), 0.0, 1.0)))


def neighbours(tetra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    faces = tetra[:, geometry.TETRA_FACES].reshape(-1, 3)
    order = np.argsort(geometry.row_keys(faces), kind="stable")
    key, owner = geometry.row_keys(faces)[order], order // 4
    twice = np.flatnonzero(key[1:] == key[:-1])
    return owner[twice], owner[twice + 1]


def orthonormal(found) -> float:
    """The largest error of unit length and right angles."""
    frame = np.stack([found.fibres, found.normals, found.sheets], axis=2)
    return np.abs(np.swapaxes(frame, 1, 2) @ frame - np.eye(3)).max()


def lv_errors(heart, found) -> tuple[np.ndarray, np.ndarray]:
    """Of fibres and sheets against the exact ones, away from the apex (degrees)."""
    if isinstance(heart, Mesh):
        places = heart.centroids("tetra")
        exact = heart.fibres["tetra"], heart.sheets["tetra"]
    else:
        places, exact = heart.nodes, (heart.fibres, heart.sheets)
    away = np.linalg.norm(places - APEX, axis=1) > AWAY
    both = zip((found.fibres, found.sheets), exact, strict=True)
    return tuple(angle(a, b)[away] for a, b in both)


# Fibres within 3 degrees on average is the requirement. Sheets are off by up to 12
# degrees at the base alone, where they lie in its plane and the exact ones do not.
FIBRE, SHEET = 3.0, 3.0


@pytest.mark.parametrize("kind", ["lv_mesh", "lv_voxels"])
def test_left_ventricle_has_its_exact_fibres(kind, request):
    heart = request.getfixturevalue(kind)
    found = rule_fibres(heart, ACROSS)
    fibre, sheet = lv_errors(heart, found)
    assert fibre.mean() < FIBRE
    assert sheet.mean() < SHEET
    assert (found.wall == 1).all()
    fields = heart.point_fields if isinstance(heart, Mesh) else heart.fields
    # measured 0.004 and 0.009: even in length is not quite even in the ellipsoid's own
    assert np.abs(found.transmural - fields["transmural"]).mean() < 0.02
    order = (
        np.argsort(np.argsort(found.apicobasal)),
        np.argsort(np.argsort(fields["apicobasal"])),
    )
    assert np.corrcoef(*order)[0, 1] > 0.99
    assert orthonormal(found) < 1e-12
    # the check fails for a helix of the other hand
    wrong = rule_fibres(heart, Angles(-60.0, 60.0, 0.0, 0.0))
    assert lv_errors(heart, wrong)[0].mean() > 10 * FIBRE


def test_solving_twice_makes_the_wall_even(lv_mesh):
    exact = lv_mesh.point_fields["transmural"]
    where = laplace.space(lv_mesh)
    marks = carried_surfaces(lv_mesh)
    c, held = where.even(), {0.0: marks.lv_endo, 1.0: marks.epi}
    start = jnp.zeros(lv_mesh.n_node)
    once = laplace.solve(where.operator(c), laplace.hold(where, held, c), start)
    c = laplace.steepness(where.gradient(once))
    twice = laplace.solve(where.operator(c), laplace.hold(where, held, c), once)
    once, twice = (np.abs(np.asarray(u) - exact).mean() for u in (once, twice))
    # harmonic: the logarithm of tanh(λ / 2), 0.05 from a line at mid-wall
    assert twice < 0.6 * once


@pytest.mark.slow
def test_fibres_do_not_depend_on_the_precision(lv_mesh):
    double = rule_fibres(lv_mesh).fibres
    with jax.enable_x64(False):
        single = rule_fibres(lv_mesh).fibres
    away = np.linalg.norm(lv_mesh.centroids("tetra") - APEX, axis=1) > AWAY
    # the solver stops at 1e-5 of its first residual in both
    assert angle(single, double)[away].max() < 0.5


@pytest.mark.slow
def test_biventricle_is_smooth_and_its_septum_right(biv_mesh):
    found = rule_fibres(biv_mesh, ACROSS, surfaces=find_surfaces(biv_mesh))
    assert orthonormal(found) < 1e-12
    regions = biv_mesh.regions["tetra"]
    fibre = angle(found.fibres, biv_mesh.fibres["tetra"])
    sheet = angle(found.sheets, biv_mesh.sheets["tetra"])
    # the rule's septum ends elsewhere by about a wall: measured 0.95, 1.00, 0.98
    for wall, share in ((1, 0.93), (2, 0.98), (3, 0.96)):
        assert np.mean(found.wall[regions == wall] == wall) > share
    septum = regions == 3
    # 3.5 at 2.5 mm, more at 3 mm: it has three elements across
    assert fibre[septum].mean() < 5.0
    across = biv_mesh.point_fields["transmural"][biv_mesh.elements["tetra"]].mean(1)
    right_side = septum & (across > 0.7)
    assert fibre[right_side].mean() < 6.0
    # with the sense of the right ventricle's angle as seen from the left, it fails
    wrong = rule_fibres(biv_mesh, replace(ACROSS, alpha_endo_right=-60.0))
    wrong = angle(wrong.fibres, biv_mesh.fibres["tetra"])
    assert wrong[right_side].mean() > 30.0
    # the right wall's own long axis is not the left one's: sheets tell without it
    assert sheet[regions == 2].mean() < 6.0
    one, other = neighbours(biv_mesh.elements["tetra"])
    jump = angle(found.fibres[one], found.fibres[other])
    assert np.percentile(jump, 50) < 25.0
    middle = biv_mesh.centroids("tetra")
    border = found.wall[one] != found.wall[other]
    near = KDTree(middle[one[border]]).query(middle[one])[0] < 6.0
    near |= np.linalg.norm(middle[one] - APEX, axis=1) < AWAY
    # the right wall has one or two elements for its 120 degrees; elsewhere fibres jump
    # at the insertions and the apex alone
    wide = (jump > 60.0) & (found.wall[one] != 2) & (found.wall[other] != 2)
    assert np.mean(near[wide]) > 0.9
    # shuffled, as if blended at random, the same check fails
    mixed = np.random.default_rng(0).permutation(found.fibres)
    assert np.percentile(angle(mixed[one], mixed[other]), 50) > 25.0


def test_right_ventricle_has_its_own_angles(biv_mesh):
    plain = rule_fibres(biv_mesh, ACROSS)
    steep = rule_fibres(biv_mesh, replace(ACROSS, alpha_endo_right=90.0))
    change = angle(plain.fibres, steep.fibres)
    # by 30 degrees times the part of the right endocardium
    assert 10.0 < change[plain.wall == 2].mean() < 20.0
    assert np.median(change[plain.wall == 1]) < 0.1
    assert np.percentile(change, 99) < 35.0


def test_with_fibres_keeps_the_rest(lv_voxels, lv_mesh):
    made = with_fibres(lv_voxels)
    assert made.fibres is not None and made.fields is lv_voxels.fields
    assert np.abs(np.linalg.norm(made.fibres, axis=1) - 1.0).max() < 1e-12
    # sheets of Bayer's angles leave the wall; the fibres are the same
    assert angle(made.sheets, rule_fibres(lv_voxels, ACROSS).sheets).mean() > 20.0
    mesh = with_fibres(lv_mesh)
    assert set(mesh.fibres) == {"tetra"}
    assert mesh.point_fields is lv_mesh.point_fields


@pytest.mark.parametrize("kind", ["lv_mesh", "biv_mesh", "lv_voxels"])
def test_surfaces_are_found(kind, request):
    heart = request.getfixturevalue(kind)
    known, found = carried_surfaces(heart), find_surfaces(heart)
    for name in ("base", "epi", "lv_endo", "rv_endo"):
        right, ours = getattr(known, name), getattr(found, name)
        if right is None:
            assert ours is None
            continue
        both = (right > 0) & (ours > 0)
        # a ring of nodes at rims may go either way, and the base of the biventricle
        # is two or three nodes wide
        assert both.sum() > 0.75 * ((right > 0) | (ours > 0)).sum()
    ends = [heart.nodes[s.apex].mean(axis=0) for s in (known, found)]
    assert np.linalg.norm(ends[0] - ends[1]) < 2.0


def test_surfaces_are_found_however_the_heart_lies(lv_mesh):
    turn = Rotation.from_euler("xyz", [20.0, 35.0, 10.0], degrees=True).as_matrix()
    turned = replace(lv_mesh, nodes=lv_mesh.nodes @ turn.T)
    found, known = find_surfaces(turned), carried_surfaces(lv_mesh)
    assert ((found.lv_endo > 0) == (known.lv_endo > 0)).all()
    # the base of turned voxels is a stair
    voxels = voxelise.from_mesh(turned, 1.5)
    places = voxels.nodes @ turn
    found = find_surfaces(voxels)
    assert (places[found.base > 0, 2] > LV.base - 2.5).all()
    across = LV.at(places).fields["transmural"]
    assert across[found.lv_endo > 0].max() < 0.4 < 0.6 < across[found.epi > 0].min()


def test_a_plane_given_as_base_cuts_there(lv_mesh):
    low = find_surfaces(lv_mesh, base=(np.zeros(3), np.array([0.0, 0.0, 1.0])))
    assert lv_mesh.nodes[low.base > 0, 2].min() > -3.0
    assert lv_mesh.nodes[low.lv_endo > 0, 2].max() < 3.0


def test_values_held_at_faces_and_nodes_are_exact_on_a_slab():
    slab = Slab(4.0, 4.0, 3.0)
    mesh, voxels = slab.as_mesh(1.0), slab.as_voxels(1.0)
    where = laplace.space(mesh)
    z = mesh.nodes[:, 2]
    held = {0.0: 1.0 * (z == 0.0), 1.0: 1.0 * (z == 3.0)}
    c = where.even()
    start = jnp.zeros(mesh.n_node)
    u = laplace.solve(where.operator(c), laplace.hold(where, held, c), start)
    # linear elements hold a linear function; the solver stops at 1e-5
    assert np.abs(np.asarray(u) - z / 3.0).max() < 1e-4
    assert np.abs(np.asarray(where.gradient(u)) - [0.0, 0.0, 1 / 3]).max() < 1e-4
    where, z = laplace.space(voxels), voxels.nodes[:, 2]
    c, start = where.even(), jnp.zeros(voxels.n_node, jnp.float32)
    ends = {
        value: 1.0 * (voxels.neighbour((0, 0, step)) < 0)
        for value, step in ((0.0, -1), (1.0, 1))
    }
    u = laplace.solve(where.operator(c), laplace.hold(where, ends, c), start)
    assert np.abs(np.asarray(u) - z / 3.0).max() < 1e-4
    # held half a spacing away from where the faces are, it is not
    assert np.abs(np.asarray(u) - (z - 0.5) / 2.0).max() > 0.1
    with pytest.raises(ValueError, match="held somewhere"):
        nothing = laplace.hold(where, {}, c)
        laplace.solve(where.operator(c), nothing, start)


def test_blending_turns_the_shortest_way():
    rotations = Rotation.random(20, rng=np.random.default_rng(1)).as_matrix()
    a, b = jnp.asarray(rotations[:10]), jnp.asarray(rotations[10:])

    blended = jax.jit(by_rule._blended)

    def axes_between(p, q):
        return max(angle(p[..., k], q[..., k]).max() for k in range(3))

    for share, end in ((0.0, a), (1.0, b)):
        mixed = blended(a, b, jnp.full(10, share))
        # arccos near 1 resolves 1e-8 rad
        assert axes_between(np.asarray(mixed), np.asarray(end)) < 1e-4
    about = Rotation.from_rotvec(np.radians([[0.0, 0.0, 40.0]])).as_matrix()
    # the same axes, two of them reversed: still a quarter of 40 degrees
    turned = jnp.asarray(np.eye(3) @ about * np.array([-1.0, -1.0, 1.0]))
    mixed = blended(jnp.eye(3)[None], turned, jnp.array([0.25]))
    assert angle(np.asarray(mixed)[:, :, 0], np.eye(3)[:1])[0] == pytest.approx(10.0)


def test_no_cavity_and_no_base_say_what_to_give(lv_mesh):
    with pytest.raises(ValueError, match="No cavity found.*given_surfaces"):
        find_surfaces(Slab(6.0, 6.0, 6.0).as_mesh(1.0))
    with pytest.raises(ValueError, match="No cavity found.*base=\\(point, normal\\)"):
        find_surfaces(Slab(6.0, 6.0, 6.0).as_voxels(1.0))
    closed = Atrium(wall=5.0).as_voxels(2.0)
    with pytest.raises(ValueError, match="No base found"):
        find_surfaces(closed)
    with pytest.raises(ValueError, match="point and a normal"):
        find_surfaces(lv_mesh, base=(np.zeros(3), np.zeros(3)))
    with pytest.raises(ValueError, match="need tetrahedra or voxels.*from_mesh"):
        rule_fibres(Atrium().as_mesh(6.0))


def test_wrong_surfaces_are_refused(lv_mesh):
    marks = {n: lv_mesh.point_fields[n] for n in ("epi", "lv_endo", "base")}
    nowhere = np.zeros(lv_mesh.n_node)
    z = lv_mesh.nodes[:, 2]
    with pytest.raises(ValueError, match="'lv_endo' has no node"):
        given_surfaces(lv_mesh, **marks | {"lv_endo": nowhere})
    with pytest.raises(ValueError, match="'apex' has no node"):
        given_surfaces(lv_mesh, **marks, apex=nowhere)
    with pytest.raises(ValueError, match="one mark per node"):
        given_surfaces(lv_mesh, **marks | {"epi": nowhere[1:]})
    with pytest.raises(ValueError, match="'base' and 'lv_endo' do not touch"):
        low = marks["lv_endo"] * (z < -10.0)
        given_surfaces(lv_mesh, **marks | {"lv_endo": low})
    with pytest.raises(ValueError, match="also on 'epi'"):
        given_surfaces(lv_mesh, **marks | {"epi": marks["epi"] + marks["lv_endo"]})
    with pytest.raises(ValueError, match="apex is on the base"):
        given_surfaces(lv_mesh, **marks | {"base": marks["base"] + (z < -40.0)})
    with pytest.raises(ValueError, match="Surfaces are named"):
        surfaces_by_class(lv_mesh, nowhere, {"endo": 1})
    other = given_surfaces(lv_mesh, **marks)
    with pytest.raises(ValueError, match="Find them on this geometry"):
        rule_fibres(LV.as_mesh(6.0), surfaces=other)
    with pytest.raises(ValueError, match="not radians"):
        Angles(alpha_endo=120.0)


def test_a_piece_apart_is_refused(lv_voxels):
    apart = lv_voxels.only(np.abs(lv_voxels.nodes[:, 2] + 22.0) > 2.0)
    with pytest.raises(ValueError, match="2 pieces.*components"):
        rule_fibres(apart)


@pytest.mark.slow
def test_real_heart_agrees_with_its_universal_coordinates(shared_data):
    whole = real_hearts.four_chambers(shared_data("rodero01_four_chamber"))
    mesh = real_hearts.part(whole, real_hearts.VENTRICLES)
    found = rule_fibres(mesh)
    assert orthonormal(found) < 1e-12
    regions, tetra = mesh.regions["tetra"], mesh.elements["tetra"]
    known = mesh.point_fields
    # measured: left 0.88, 0.057, 0.996; right 0.94, 0.063, 0.988; septum 0.99, 0.037,
    # 0.997. Their septum ends nearer to the right ventricle's rim.
    for region, wall in ((1, 1), (2, 2), (7, 3)):
        assert np.mean(found.wall[regions == region] == wall) > 0.85
        nodes = np.unique(tetra[regions == region])
        gap = np.abs(found.transmural - known["transmural"])[nodes]
        assert gap.mean() < 0.08
        ranks = [
            np.argsort(np.argsort(u[nodes]))
            for u in (found.apicobasal, known["apico_basal"])
        ]
        assert np.corrcoef(*ranks)[0, 1] > 0.98
        # the wrong way round, the same check fails
        assert np.abs(1 - found.transmural - known["transmural"])[nodes].mean() > 0.3
    one, other = neighbours(tetra)
    assert np.percentile(angle(found.fibres[one], found.fibres[other]), 95) < 30.0


@pytest.mark.slow
def test_surfaces_of_a_real_biventricle(shared_data):
    voxels, known = real_hearts.biventricle(shared_data("biv_cobiveco"), 1.0)
    found = find_surfaces(voxels)
    for name in ("epi", "lv_endo", "rv_endo"):
        right, ours = getattr(known, name) > 0, getattr(found, name) > 0
        assert (right & ours).sum() > 0.9 * (right | ours).sum()
    faces = sum((voxels.neighbour(o) < 0).sum() for o in FACES)
    named = found.epi + found.lv_endo + found.rv_endo + found.base
    assert named.sum() > 0.97 * faces
    made = rule_fibres(voxels, surfaces=found)
    there = voxels.neighbour((1, 0, 0))
    jump = angle(made.fibres[there >= 0], made.fibres[there[there >= 0]])
    # a right wall of 3 mm turns 40 degrees a voxel
    assert np.percentile(jump, 90) < 40.0
    with_classes = rule_fibres(voxels, surfaces=known)
    assert np.median(angle(made.fibres, with_classes.fibres)) < 4.0
